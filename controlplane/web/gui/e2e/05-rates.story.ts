import { ask, claim, open, until, type Story } from './story.ts';

interface Row {
  id: string;
  code: string;
}
interface Rate {
  id: string;
  prefix: string;
  per_minute: string;
}

export const stories: Story[] = [
  {
    name: 'a rate is edited, stored and published',
    async tell(node) {
      const { page } = node;
      const deck = (await ask<{ data: Row[] }>(node, '/api/v1/decks')).data[0];
      claim(deck, 'there is no deck');
      const rate = (await ask<{ data: Rate[] }>(node, `/api/v1/decks/${deck.id}/rates?limit=5`)).data.find((row) => row.prefix !== '');
      claim(rate, 'the deck has no rate');
      const next = rate.per_minute.startsWith('0.0777') ? '0.0778' : '0.0777';
      await open(node, `/rates/${deck.id}?prefix=${rate.prefix}`);
      await page.locator(`.MuiDataGrid-row[data-id="${rate.id}"]`).click();
      await page.locator('input[name="per_minute"]').fill(next);
      await page.getByRole('button', { name: 'Save' }).click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await page.locator(`.MuiDataGrid-row[data-id="${rate.id}"]`).getByText(next).waitFor();
      const stored = (await ask<{ data: Rate[] }>(node, `/api/v1/decks/${deck.id}/rates?prefix=${rate.prefix}&limit=50`)).data.find((row) => row.prefix === rate.prefix);
      claim(Number(stored?.per_minute) === Number(next), `stored is ${stored?.per_minute}, not ${next}`);
    },
  },
  {
    name: 'an import shows what would change and changes nothing',
    async tell(node) {
      const { page } = node;
      const deck = (await ask<{ data: Row[] }>(node, '/api/v1/decks')).data[0];
      claim(deck, 'there is no deck');
      const before = await ask<{ data: Rate[] }>(node, `/api/v1/decks/${deck.id}/rates?limit=20`);
      await open(node, `/rates/${deck.id}`);
      await page.getByRole('button', { name: 'Import a sheet' }).click();
      const csv = 'prefix,destination,per_minute\n1000001,Testland,0.0123\n';
      await page.locator('[data-import-file]').setInputFiles({ name: 'test.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
      await page.locator('[data-import-sums]').waitFor();
      await page.getByRole('cell', { name: '1000001' }).waitFor();
      const after = await ask<{ data: Rate[] }>(node, `/api/v1/decks/${deck.id}/rates?limit=20`);
      claim(JSON.stringify(before.data) === JSON.stringify(after.data), 'the preview changed the deck');
    },
  },
  {
    name: 'a change of many rates is looked at like a sheet, and cancelled',
    async tell(node) {
      const { page } = node;
      const deck = (await ask<{ data: Row[] }>(node, '/api/v1/decks')).data[0];
      claim(deck, 'there is no deck');
      await open(node, `/rates/${deck.id}`);
      await page.getByRole('button', { name: 'Import a sheet' }).click();
      await page.getByRole('button', { name: 'Change many rates' }).click();
      await page.locator('input[name="add_percent"]').fill('2.5');
      await page.getByRole('button', { name: 'Look at it' }).click();
      await page.locator('[data-import-sums]').waitFor();
      await page.getByText('add_percent 2.5').waitFor();
      await page.getByRole('button', { name: 'Cancel import' }).click();
      await page.getByText('Nothing was changed').waitFor();
    },
  },
  {
    name: 'numbers are looked up in every deck, now and on another day',
    async tell(node) {
      const { page } = node;
      const deck = (await ask<{ data: Row[] }>(node, '/api/v1/decks')).data[0];
      claim(deck, 'there is no deck');
      const rate = (await ask<{ data: Rate[] }>(node, `/api/v1/decks/${deck.id}/rates?limit=5`)).data.find((row) => row.prefix !== '');
      claim(rate, 'the deck has no rate');
      await open(node, '/rates/check');
      await page.locator('textarea[name="numbers"]').first().fill(`+${rate.prefix} 00\n1`);
      await page.locator('input[name="at"]').fill('2040-01-01T00:00:00Z');
      await page.getByRole('button', { name: 'Look up' }).click();
      await page.locator('[data-check]').getByRole('cell', { name: `+${rate.prefix}00`.slice(1), exact: true }).first().waitFor();
      await page.locator('[data-check]').getByText(deck.code, { exact: true }).first().waitFor();
    },
  },
  {
    name: 'a value that the API refuses is explained beside its field',
    async tell(node) {
      const { page } = node;
      await open(node, '/rates');
      await page.getByRole('button', { name: 'New deck' }).click();
      await page.locator('input[name="code"]').fill('Not a code!');
      await page.locator('input[name="decimals"]').fill('12');
      await page.getByRole('button', { name: 'Create' }).click();
      await until('nothing was said about the refusal', async () => (await page.getByRole('dialog').getByRole('alert').count()) > 0);
      await page.getByRole('button', { name: 'Cancel' }).click();
    },
  },
];
