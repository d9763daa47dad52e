import { open, type Story } from './story.ts';

export const stories: Story[] = [
  {
    name: 'balances say how long they last, and limits what is taken of them',
    async tell(node) {
      const { page } = node;
      await open(node, '/balances');
      await page.getByRole('columnheader', { name: 'Runway' }).waitFor();
      await page.getByRole('heading', { name: 'Notices' }).waitFor();
      await open(node, '/nodes');
      await page.getByRole('button', { name: 'Limits of the switch' }).click();
      await page.getByRole('dialog').getByLabel('Capacity').waitFor();
    },
  },
];
