import { claim, open, type Story } from './story.ts';

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
  {
    name: 'a month is invoiced once, and the invoice is taken home as a file',
    async tell(node) {
      const { page } = node;
      const make = async () => {
        await page.getByRole('button', { name: 'New invoice' }).click();
        const form = page.getByRole('dialog');
        // The demo had no calls then.
        await form.locator('[name=month]').fill('2020-02');
        await form.locator('[name=addressed_to]').fill('Acme, Inc.\nParis');
        await form.getByRole('button', { name: 'Make' }).click();
        return form;
      };
      await open(node, '/balances');
      await (await make()).waitFor({ state: 'detached' });
      await page.getByRole('cell', { name: 'Acme, Inc.', exact: true }).waitFor();
      await (await make()).getByText('it has a part of that time').first().waitFor();
      await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
      const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Invoice 1 as PDF' }).click()]);
      claim(file.suggestedFilename() === 'invoice-1.pdf', `it is called ${file.suggestedFilename()}`);
      await page.getByRole('button', { name: 'Declare invoice 1 void' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Void' }).click();
      await page.getByRole('cell', { name: 'void', exact: true }).waitFor();
    },
  },
];
