import { claim, open, until, type Story } from './story.ts';

export const stories: Story[] = [
  {
    name: 'statistics tell groups apart, and a number leads to the CDRs behind it',
    async tell(node) {
      const { page } = node;
      await open(node, '/statistics?by=originator');
      const number = page.locator('.MuiDataGrid-row a').first();
      await until('no call is summed', async () => {
        await page.getByRole('button', { name: 'Refresh' }).click();
        return (await number.count()) > 0;
      });
      await page.getByLabel('and by').click();
      await page.getByRole('option', { name: 'cause' }).click();
      await page.waitForURL(/by=originator%2Ccause/);
      await page.getByRole('button', { name: 'Per attempt' }).click();
      await page.waitForURL(/reading=attempt/);
      await page.getByText('ASR per attempt').first().waitFor();
      // The rows follow the reading; what is clicked must be one of the new ones.
      await page.locator('.MuiDataGrid-row a[href*="kind=attempt"]').first().click();
      await page.waitForURL(/\/cdrs\?/);
      claim(new URL(page.url()).searchParams.get('kind') === 'attempt', 'the page forgot that attempts were asked for');
      await page.locator('.MuiDataGrid-row').first().waitFor();
    },
  },
];
