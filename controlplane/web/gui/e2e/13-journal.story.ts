import { open, until, type Story } from './story.ts';

export const stories: Story[] = [
  {
    name: 'a node’s page says how many records its journal has, how many of them wait for the database, and since when',
    async tell(node) {
      await open(node, '/nodes');
      const fact = async (name: string) => (await node.page.locator(`dt:has-text("${name}") + dd`).first().innerText()).trim();
      await until('no record was written', async () => /^[1-9].* records, /.test(await fact('Written')));
      await until('what waits is not said', async () => /^\d.* records, \d/.test(await fact('Backlog')));
      await until('since when the oldest waits is not said', async () => /^(none waits|\d{4}-)/.test(await fact('Oldest in it')));
    },
  },
];
