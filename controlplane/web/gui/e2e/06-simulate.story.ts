import { ask, claim, open, until, type Story } from './story.ts';

interface Trunk {
  id: string;
  code: string;
  carrier: { code: string };
}

export const stories: Story[] = [
  {
    name: 'a simulated call shows every candidate with its reason, and the question is the address',
    async tell(node) {
      const { page } = node;
      const trunk = (await ask<{ data: Trunk[] }>(node, '/api/v1/ingress-trunks')).data[0];
      claim(trunk, 'there is no ingress trunk');
      const now = Date.now();
      const window = new URLSearchParams({ from: new Date(now - 3_600_000).toISOString(), till: new Date(now + 60_000).toISOString(), answered: 'true', limit: '1' });
      const cdr = (await ask<{ data: { called_routed: string }[] }>(node, `/api/v1/cdrs?${window.toString()}`)).data[0];
      const called = cdr?.called_routed ?? '442071234567';
      await open(node, `/routing/simulate?ingress_trunk=${trunk.id}`);
      await page.locator('input[name="called"]').fill(called);
      await page.getByRole('button', { name: 'Simulate' }).click();
      await page.waitForURL(new RegExp(`called=${called}`));
      await page.locator('[data-simulation]').waitFor();
      await until('no candidate is shown', async () => (await page.locator('[data-candidate]').count()) > 0);
      const reasons = await page.locator('[data-candidate] td:last-child').allInnerTexts();
      claim(reasons.every((reason) => reason.trim() !== ''), 'a candidate has no reason');
      await page.reload();
      await page.locator('[data-simulation]').waitFor();
    },
  },
];
