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
  {
    name: 'a signing secret is shown once, and a node is written off only by its own sentence',
    async tell(node) {
      const { page } = node;
      await open(node, '/balances');
      await page.getByRole('button', { name: 'Signing secret' }).click();
      await page.getByRole('dialog').getByRole('combobox').click();
      await page.getByRole('option').first().click();
      await page.getByRole('dialog').getByRole('button', { name: 'Draw' }).click();
      await page.locator('[data-secret]').getByText('whsec_').waitFor();
      await open(node, '/nodes');
      await page.getByRole('button', { name: 'Write a lost node off' }).click();
      const form = page.getByRole('dialog');
      await form.locator('[name=node]').fill('9');
      await form.locator('[name=note]').fill('its board is dead');
      await form.locator('[name=typed]').fill('node 1 is off');
      await form.getByRole('button', { name: 'Write off' }).click();
      await form.getByText('Type “node 9 is off” when it is.').first().waitFor();
      await form.locator('[name=typed]').fill('node 9 is off');
      await form.getByRole('button', { name: 'Write off' }).click();
      await page.locator('[data-written-off="9"]').getByText('It held nothing').waitFor();
    },
  },
];
