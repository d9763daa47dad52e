import { ask, claim, open, until, type Node, type Story } from './story.ts';

interface Trunk {
  id: string;
  code: string;
  carrier: { id: string };
  policy: { codecs?: { allow?: string[] }; rewrite?: { field?: string; pattern: string; replacement?: string }[] };
}

/** Opens the signalling tab of a trunk's editor. */
async function edit(node: Node, trunk: Trunk): Promise<void> {
  const { page } = node;
  await open(node, `/carriers/${trunk.carrier.id}`);
  // An account may have its trunk's code, but only a trunk can be disabled.
  const rows = page.getByRole('row').filter({ has: page.getByRole('cell', { name: trunk.code }) });
  await rows.filter({ has: page.getByRole('button', { name: 'Disable' }) }).getByRole('button', { name: 'Edit' }).click();
  await page.getByRole('tab', { name: 'Signalling' }).click();
  await page.locator('[data-signalling]').waitFor();
}

export const stories: Story[] = [
  {
    name: 'a rewrite and a list of codecs are tried, refused at their field, kept and published',
    async tell(node) {
      const { page } = node;
      const read = async () => (await ask<{ data: Trunk[] }>(node, '/api/v1/egress-trunks')).data[0];
      const trunk = await read();
      claim(trunk, 'there is no egress trunk');
      const revision = async () => (await ask<{ data: { published_revision: number }[] }>(node, '/api/v1/nodes')).data[0]?.published_revision ?? 0;
      const before = await revision();
      await edit(node, trunk);
      await page.getByRole('button', { name: 'Media and codecs' }).click();
      await page.locator('input[name="codecs.allow"]').fill('PCMU, PCMA, telephone-event');
      await page.getByRole('button', { name: 'Rewrites' }).click();
      await page.locator('[data-add="rewrite"]').click();
      await page.locator('input[name="rewrite.0.pattern"]').fill('^(999');
      await page.locator('input[name="rewrite.0.replacement"]').fill('$1000');
      await page.getByRole('button', { name: 'Save' }).click();
      const row = page.locator('[data-row="rewrite.0"]');
      await row.getByText('regex parse error').waitFor();
      await page.locator('input[name="rewrite.0.pattern"]').fill('^999(\\d+)$');
      await page.locator('input[name="rewrite.0.replacement"]').fill('998$1');
      await page.locator('input[name="try"]').fill('99944');
      await until('the try-out says nothing', async () => (await page.locator('[data-tried]').allInnerTexts()).includes('99844'));
      await page.getByRole('button', { name: 'Save' }).click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await until('it was not published', async () => (await revision()) > before);
      const stored = (await read())?.policy;
      claim(stored?.codecs?.allow?.join() === 'PCMU,PCMA,telephone-event' && stored.rewrite?.[0]?.replacement === '998$1', `stored is ${JSON.stringify(stored)}`);
      await page.reload();
      await edit(node, trunk);
      await page.getByRole('button', { name: 'Media and codecs' }).click();
      claim((await page.locator('input[name="codecs.allow"]').inputValue()) === 'PCMU, PCMA, telephone-event', 'the codecs are not there after a reload');
      await page.getByRole('button', { name: 'Rewrites' }).click();
      claim((await page.locator('input[name="rewrite.0.pattern"]').inputValue()) === '^999(\\d+)$', 'the rewrite is not there after a reload');
      await page.getByRole('button', { name: 'Cancel' }).click();
    },
  },
];
