import { ask, claim, PATIENCE_MS, until, type Story } from './story.ts';

const PASSWORD = 'a long enough password';

export const stories: Story[] = [
  {
    name: 'a carrier sees its own balance, calls, prices and invoices, and nobody else’s',
    async tell(node) {
      const { page, url } = node;
      const me = await ask<{ csrf_token: string }>(node, '/api/v1/me');
      const carriers = await ask<{ data: { id: string; code: string }[] }>(node, '/api/v1/carriers');
      const acme = carriers.data.find(({ code }) => code === 'acme');
      claim(acme, 'the demo has the carrier acme');
      const data = { name: 'anna', role: 'carrier', password: PASSWORD, carrier: acme.id };
      const made = await page.request.post(`${url}/api/v1/users`, { headers: { 'x-csrf-token': me.csrf_token }, data });
      claim(made.status() === 201, `the user is not made: ${await made.text()}`);
      const context = await page.context().browser()?.newContext();
      claim(context, 'the browser opens a window of its own');
      context.setDefaultTimeout(PATIENCE_MS);
      const own = await context.newPage();
      const refused: string[] = [];
      own.on('response', (answer) => answer.status() === 403 && refused.push(answer.url()));
      await own.goto(url);
      await own.getByLabel('User').fill('anna');
      await own.getByLabel('Password').fill(PASSWORD);
      await own.getByRole('button', { name: 'Log in' }).click();
      await own.locator('[data-balance]').first().waitFor();
      const go = (name: string) => own.getByRole('navigation').getByText(name, { exact: true }).click();
      await until('no call of it is shown', async () => {
        await go('Overview');
        await go('Calls');
        await own.getByRole('heading', { name: 'Calls', level: 1 }).waitFor();
        return (await own.getByRole('row').count()) > 1;
      });
      await go('Rates');
      await own.getByLabel('What costs a call to').fill('447712345678');
      await own.keyboard.press('Enter');
      await own.locator('[data-check]').getByText('a minute').waitFor();
      await go('Payments and invoices');
      await own.getByRole('heading', { name: 'Payments', exact: true }).first().waitFor();
      const shown = new Set<string>();
      for (const { code } of carriers.data.filter(({ code: other }) => other !== 'acme')) {
        for (const place of ['Overview', 'Calls', 'Rates', 'Payments and invoices']) {
          await go(place);
          if ((await own.locator('main').innerText()).includes(code)) shown.add(code);
        }
      }
      claim(shown.size === 0, `it is shown ${[...shown].join(', ')}`);
      claim((await context.request.get(`${url}/api/v1/carriers`)).status() === 403, 'the API tells it of all carriers');
      claim(refused.length === 0, `its pages ask what is refused: ${refused.join(' ')}`);
      await context.close();
    },
  },
];
