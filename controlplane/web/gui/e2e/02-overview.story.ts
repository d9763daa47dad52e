import { figure, open, press, search, until, type Story } from './story.ts';

export const stories: Story[] = [
  {
    name: 'figures move by themselves, once a second',
    async tell(node) {
      await open(node, '/');
      await node.page.getByRole('status').getByText('live').waitFor();
      const seen = new Set<string>();
      await until('neither calls nor CPS nor the age of the data plane changed', async () => {
        seen.add(`${await figure(node.page, 'calls')}/${await figure(node.page, 'cps')}`);
        return seen.size >= 3;
      });
      await until('no call is in progress on the overview', async () => Number((await figure(node.page, 'calls')).replace(/\D/g, '')) > 0);
      await node.page.locator('canvas').first().waitFor();
    },
  },
  {
    name: 'keys go to screens: g a, g d, and / searches',
    async tell(node) {
      await open(node, '/');
      await press(node.page, ['g', 'a'], async () => new URL(node.page.url()).pathname === '/calls');
      await node.page.getByRole('heading', { name: 'Active calls' }).waitFor();
      await search(node.page);
      await node.page.keyboard.type('4420');
      await node.page.getByText('CDRs to this number or prefix').click();
      await node.page.waitForURL(/\/cdrs\?called=4420/);
    },
  },
  {
    name: 'what is typed into the search goes to its likeliest place by Enter alone',
    async tell(node) {
      for (const [text, place] of [['acme', /\/carriers\?q=acme/], ['+4420', /\/cdrs\?called=4420/], ['car_1', /\/carriers\/car_1/]] as const) {
        await open(node, '/');
        await search(node.page);
        await node.page.keyboard.type(text);
        await node.page.keyboard.press('Enter');
        await node.page.waitForURL(place);
      }
    },
  },
];
