import { ask, claim, open, until, type Story } from './story.ts';

interface Call {
  id: string;
  state: string;
}

export const stories: Story[] = [
  {
    name: 'a running call is listed, and released after a question',
    async tell(node) {
      const { page } = node;
      await open(node, '/calls?state=up');
      const row = page.locator('.MuiDataGrid-row').last();
      await row.waitFor();
      const id = await row.getAttribute('data-id');
      claim(id, 'the row has no call');
      await page.locator(`.MuiDataGrid-row[data-id="${id}"]`).getByRole('button', { name: 'Release' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
      await until('the call is still running after its release', async () => !(await ask<{ data: Call[] }>(node, '/api/v1/calls?limit=1000')).data.some((call) => call.id === id));
      await page.locator(`.MuiDataGrid-row[data-id="${id}"]`).waitFor({ state: 'detached' });
      await open(node, `/cdrs/${id}`);
      await page.locator('p[data-verdict]').waitFor({ timeout: 20_000 });
      await page.getByText('403 released by an operator').first().waitFor();
    },
  },
];
