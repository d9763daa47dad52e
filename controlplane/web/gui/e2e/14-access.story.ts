import { readFileSync } from 'node:fs';
import { ask, claim, open, type Node, type Story } from './story.ts';

const AXE = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

/** The screens, each with what stands behind its tabs and one object of each kind. */
const SCREENS = [
  '/', '/calls', '/cdrs', '/statistics', '/balances', '/carriers', '/rates', '/rates/check', '/routing', '/routing/simulate', '/latency', '/nodes', '/nodes/cluster',
  '/system', '/system?tab=keys', '/system?tab=jobs', '/system?tab=webhooks', '/system?tab=revisions', '/system?tab=audit',
];

const GOOD = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] };
/** Nothing else differs in the dark. */
const LEGIBLE = { runOnly: { type: 'rule', values: ['color-contrast'] } };

/** What axe finds wrong on the page, a line each. */
async function faults({ page }: Node, rules: object): Promise<string[]> {
  // A string, since this file is not built for the page.
  const found = await page.evaluate(`axe.run(document, ${JSON.stringify(rules)})`);
  const { violations } = found as { violations: { id: string; nodes: { html: string }[] }[] };
  return violations.map((fault) => `${fault.id}, ${fault.nodes.length} times: ${fault.nodes[0]?.html.slice(0, 160)}`);
}

export const stories: Story[] = [
  {
    name: 'axe finds nothing on any screen, light or dark (WCAG 2.2 A and AA, and good practice)',
    async tell(node) {
      const { page } = node;
      const first = async (kind: string) => (await ask<{ data: { id: string }[] }>(node, `/api/v1/${kind}`)).data[0]?.id ?? '';
      const objects = [`/carriers/${await first('carriers')}`, `/rates/${await first('decks')}`, `/routing/${await first('plans')}`];
      const wrong: string[] = [];
      for (const [look, rules] of [['light', GOOD], ['dark', LEGIBLE]] as const) {
        await page.emulateMedia({ colorScheme: look });
        for (const path of [...SCREENS, ...objects]) {
          await open(node, path);
          await page.waitForLoadState('networkidle', { timeout: 1_000 }).catch(() => undefined);
          await page.evaluate(AXE);
          wrong.push(...(await faults(node, rules)).map((fault) => `${path}, ${look}: ${fault}`));
        }
      }
      await page.emulateMedia({ colorScheme: null });
      claim(wrong.length === 0, wrong.join('\n'));
    },
  },
];
