import { ask, claim, open, until, type Story } from './story.ts';

interface Statement { data: { kind: string; amount: string }[] }

export const stories: Story[] = [
  {
    name: 'calls are priced once more, the report is booked once and booked back',
    async tell(node) {
      const { page } = node;
      const accounts = await ask<{ data: { id: string; code: string }[] }>(node, '/api/v1/accounts');
      const account = accounts.data.find(({ code }) => code.startsWith('acme')) ?? accounts.data[0];
      claim(account, 'the demo has an account');
      await until('no call of it is over', async () => (await ask<Statement>(node, `/api/v1/accounts/${account.id}/entries`)).data.some(({ kind }) => kind === 'post'));
      await open(node, '/balances');
      await page.getByRole('button', { name: 'New re-rating' }).click();
      const form = page.getByRole('dialog');
      await form.getByRole('combobox', { name: 'Account' }).click();
      await page.getByRole('option', { name: account.code }).click();
      await form.locator('[name=month]').fill(new Date().toISOString().slice(0, 7));
      // The prices that a terminator has: other than those that were charged.
      await form.getByRole('combobox', { name: 'Priced now by' }).click();
      await page.getByRole('option', { name: 'oria', exact: true }).click();
      await form.locator('[name=why]').fill('the deck was corrected');
      await form.getByRole('button', { name: 'Report' }).click();
      const report = page.getByRole('dialog', { name: /^Re-rating \d+ of / });
      await report.getByRole('cell', { name: 'Sum' }).waitFor();
      await report.getByRole('button', { name: 'Book the difference' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Book', exact: true }).click();
      await report.getByRole('button', { name: 'Book back' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Book back' }).click();
      await report.getByRole('button', { name: 'Close' }).click();
      await page.getByRole('row').filter({ hasText: 'the deck was corrected' }).getByText('booked back').waitFor();
    },
  },
];
