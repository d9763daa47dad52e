import { claim, open, until, type Story } from './story.ts';

export const stories: Story[] = [
  {
    name: 'percentiles are drawn and tabled, and a stage comes as .hlog',
    async tell(node) {
      const { page } = node;
      await open(node, '/latency');
      await page.locator('canvas').first().waitFor();
      const row = page.locator('tr[data-stage="route"]');
      await row.waitFor();
      await until('the stage "route" has no percentile', async () => /(ns|µs|ms)/.test(await row.innerText()));
      const [download] = await Promise.all([page.waitForEvent('download'), row.getByText('.hlog').click()]);
      claim(download.suggestedFilename().endsWith('.hlog'), `the file is called ${download.suggestedFilename()}`);
    },
  },
  {
    name: 'nodes, users, audit and revisions have what happened',
    async tell(node) {
      const { page } = node;
      await open(node, '/nodes');
      await page.getByRole('heading', { name: 'Shards' }).waitFor();
      await open(node, '/system');
      await page.getByText('(you)').waitFor();
      await open(node, '/system?tab=audit');
      await page.getByText('update').first().waitFor();
      await open(node, '/system?tab=revisions');
      await page.getByText('in force', { exact: true }).first().waitFor();
    },
  },
];
