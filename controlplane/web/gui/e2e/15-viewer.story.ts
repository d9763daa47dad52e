import { claim, open, type Story } from './story.ts';

const PASSWORD = 'a long enough password';

export const stories: Story[] = [
  {
    name: 'a viewer is shown nothing that would be refused, on any page',
    async tell(node) {
      const { page, url } = node;
      const me = await (await page.request.get(`${url}/api/v1/me`)).json();
      const headers = { 'x-csrf-token': me.csrf_token };
      const made = await page.request.post(`${url}/api/v1/users`, { headers, data: { name: 'vera', role: 'viewer', password: PASSWORD } });
      claim(made.status() === 201, `the viewer is not made: ${await made.text()}`);
      await page.request.delete(`${url}/api/v1/sessions`, { headers });
      await page.goto(url);
      await page.getByLabel('User').fill('vera');
      await page.getByLabel('Password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      const refused: string[] = [];
      page.on('response', (answer) => answer.status() === 403 && refused.push(answer.url()));
      for (const path of ['/calls', '/carriers', '/rates', '/routing', '/nodes', '/nodes/cluster', '/system', '/system?tab=keys', '/balances']) {
        await open(node, path);
        await page.getByRole('heading', { level: 1 }).waitFor();
        await page.waitForLoadState('networkidle', { timeout: 2_000 }).catch(() => undefined);
        const change = page.getByRole('button', { name: /^(New |Edit$|Delete$|Release$|Record$|Capture$|Drain$|Disable$|Write a lost|Signing secret|Base currency)/ });
        claim((await change.count()) === 0, `${path} offers ${(await change.allInnerTexts()).join(', ')}`);
      }
      claim((await page.getByRole('tab', { name: 'API keys' }).count()) === 0, 'the tab of keys is shown');
      claim(refused.length === 0, `these were asked and refused: ${refused.join(' ')}`);
    },
  },
];
