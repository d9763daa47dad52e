import { ask, claim, open, until, type Story } from './story.ts';

interface Cdr {
  call: string;
  called_routed: string;
}

async function answered(node: Parameters<Story['tell']>[0]): Promise<Cdr> {
  const now = Date.now();
  const query = new URLSearchParams({ from: new Date(now - 3_600_000).toISOString(), till: new Date(now + 60_000).toISOString(), answered: 'true', limit: '20' });
  let found: Cdr | undefined;
  await until('no answered call has a CDR', async () => {
    found = (await ask<{ data: Cdr[] }>(node, `/api/v1/cdrs?${query.toString()}`)).data[0];
    return found !== undefined;
  });
  claim(found, 'no answered call has a CDR');
  return found;
}

export const stories: Story[] = [
  {
    name: 'a CDR is found by its number, and its row opens the story',
    async tell(node) {
      const { page } = node;
      const cdr = await answered(node);
      await open(node, '/cdrs');
      await page.locator('input[name="called"]').fill(cdr.called_routed);
      await page.waitForURL(new RegExp(`called=${cdr.called_routed}`));
      await page.locator(`.MuiDataGrid-row[data-id^="${cdr.call}"]`).click();
      await page.waitForURL(new RegExp(`/cdrs/${cdr.call}`));
      await page.locator('p[data-verdict]').waitFor();
    },
  },
];
