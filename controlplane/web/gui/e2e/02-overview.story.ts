import { ask, claim, figure, open, press, search, until, type Story } from './story.ts';

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
    name: 'an operator reads on the overview that new calls are refused, why, and what to do',
    async tell(node) {
      const { page } = node;
      const raised = { id: 'alarm:1:journal_full:1', node: 1, name: 'journal_full', level: 'fail', what: 'the journal\'s disk is 96 % full: new calls are refused', mend: 'make room: recordings', raised_at: '2026-01-01T00:00:00.000000Z', cleared_at: null };
      const minor = { ...raised, id: 'alarm:1:etcd_silent:2', name: 'etcd_silent', level: 'warn', what: 'etcd is silent', mend: 'see tandem cluster status', raised_at: '2026-01-02T00:00:00.000000Z' };
      const asked = (url: URL) => url.pathname === '/api/v1/alarms';
      await page.route(asked, (route) => route.fulfill({ json: { data: [minor, raised], next_cursor: null, as_of: raised.raised_at } }));
      const figures = { ...(await ask<{ figures: object }>(node, '/api/v1/overview')).figures, refuses: 'the journal\'s disk is 96 % full' };
      const streamed = (url: URL) => url.pathname === '/api/v1/events';
      await page.route(streamed, (route) => route.fulfill({ contentType: 'text/event-stream', body: `event: overview\ndata: ${JSON.stringify(figures)}\n\n` }));
      await open(node, '/');
      await page.locator('[data-refuses]').getByText('New calls are refused: the journal\'s disk is 96 % full.').waitFor();
      const told = page.locator('[data-alarms]');
      await told.getByText('What to do: make room: recordings.').waitFor();
      claim((await told.innerText()).indexOf('96 %') < (await told.innerText()).indexOf('etcd'), 'the worst is not the first');
      await page.unroute(asked);
      await page.unroute(streamed);
    },
  },
  {
    name: 'the overview tells how each node\'s machine does, down to the shards\' cores',
    async tell(node) {
      await open(node, '/');
      const row = node.page.locator('[data-machine]').first();
      await row.waitFor();
      await until('no shard has told its share of a core', async () => /0: \d+(\.\d+)? %/.test(await row.innerText()));
      const told = await row.innerText();
      for (const part of [/\d+\.\d\d\s+\d+\.\d\d \d+\.\d\d/, /data, [\d.]+ [kMGT]?B free/, /journal, /, /dataplane \d+/, /controlplane \d+/]) claim(part.test(told), `${String(part)} is not in ${told}`);
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
