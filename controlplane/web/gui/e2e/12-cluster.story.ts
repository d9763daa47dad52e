import { open, type Story } from './story.ts';

export const stories: Story[] = [
  {
    name: 'a switch of one node says what is lost with it, and is drained from the cluster’s page',
    async tell(node) {
      const { page } = node;
      await open(node, '/nodes/cluster');
      await page.locator('[data-state=alone]').getByText('nobody takes over from it').waitFor();
      const row = page.locator('[data-node="1"]');
      await row.getByText('no core remains: no call is carried').waitFor();
      await row.getByRole('button', { name: 'Drain' }).click();
      await page.getByRole('dialog').getByText('can be stopped, upgraded or removed').waitFor();
      await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).click();
      await row.getByText('takes no calls').waitFor();
      await row.getByRole('button', { name: 'Take calls again' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Take calls' }).click();
      await row.getByText('takes no calls').waitFor({ state: 'detached' });
    },
  },
];
