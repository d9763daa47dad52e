import { ask, claim, open, until, type Node, type Story } from './story.ts';

const PASSWORD = 'a long enough password';

/** Opens the form of a new carrier and types its code. */
async function type(node: Node, code: string): Promise<void> {
  const { page } = node;
  await page.getByRole('button', { name: 'New carrier' }).click();
  await page.locator('input[name="code"]').fill(code);
}

/** The browser's way back; what the page makes of it is not waited for. */
const back = ({ page }: Node) => page.evaluate(() => window.history.back());

async function stands({ page }: Node, code: string, after: string): Promise<void> {
  claim((await page.locator('input[name="code"]').inputValue()) === code, `what was typed is gone after ${after}`);
}

export const stories: Story[] = [
  {
    name: 'what was typed is thrown away by nothing but an answer to the question',
    async tell(node) {
      const { page } = node;
      await open(node, '/rates');
      await page.getByRole('navigation').getByRole('link', { name: 'Carriers' }).click();
      await page.getByRole('heading', { name: 'Carriers', level: 1 }).waitFor();
      await page.getByRole('button', { name: 'New carrier' }).click();
      // A key goes to what has the focus: the form must have it.
      await page.locator('input[name="code"]').press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await type(node, 'half-typed');
      const stay = page.getByRole('button', { name: 'Go on typing' });
      const ways: [string, () => Promise<unknown>][] = [
        ['Escape', () => page.locator('input[name="code"]').press('Escape')],
        ['the way back', () => back(node)],
        ['a click beside it', () => page.mouse.click(5, 5)],
      ];
      for (const [name, leave] of ways) {
        await leave();
        await stay.click();
        await stay.waitFor({ state: 'detached' });
        await stands(node, 'half-typed', name);
        claim(new URL(page.url()).pathname === '/carriers', `${name} leads away to ${page.url()}`);
      }
      await back(node);
      await page.getByRole('button', { name: 'Throw away' }).click();
      await page.getByRole('heading', { name: 'Rate decks' }).waitFor();
    },
  },
  {
    name: 'a number that is none is told beside its field, and nothing is sent',
    async tell(node) {
      const { page } = node;
      const before = await ask<{ capacity: number }>(node, '/api/v1/limits/switch');
      await open(node, '/nodes');
      await page.getByRole('button', { name: 'Limits of the switch' }).click();
      for (const text of ['many', '']) {
        await page.locator('input[name="capacity"]').fill(text);
        await page.getByRole('button', { name: 'Save' }).click();
        await page.locator('p.Mui-error').getByText('a whole number is wanted').waitFor();
      }
      await page.getByRole('button', { name: 'Cancel' }).click();
      const after = await ask<{ capacity: number }>(node, '/api/v1/limits/switch');
      claim(before.capacity === after.capacity, `the limit became ${after.capacity}`);
    },
  },
  {
    name: 'a login that ends in the middle of a form is asked for over it',
    async tell(node) {
      const { page, url } = node;
      const me = await ask<{ name: string; csrf_token: string }>(node, '/api/v1/me');
      const set = await page.request.put(`${url}/api/v1/me/password`, { headers: { 'x-csrf-token': me.csrf_token }, data: { password: PASSWORD } });
      claim(set.status() === 204, `the password is not set: ${await set.text()}`);
      await open(node, '/carriers');
      await type(node, 'typed-before');
      await page.context().clearCookies();
      const again = page.locator('[data-login-again]');
      await again.waitFor();
      await again.getByLabel('Password').fill(PASSWORD);
      await again.getByRole('button', { name: 'Log in' }).click();
      await again.waitFor({ state: 'detached' });
      await stands(node, 'typed-before', 'the login');
      await page.getByRole('button', { name: 'Create' }).click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await until('the carrier was not made', async () => (await ask<{ data: { code: string }[] }>(node, '/api/v1/carriers?limit=1000')).data.some((row) => row.code === 'typed-before'));
    },
  },
];
