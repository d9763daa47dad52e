import { claim, type Story } from './story.ts';

export const stories: Story[] = [
  {
    name: 'without a login there is only the login page',
    async tell({ page, url }) {
      await page.goto(`${url}/cdrs`);
      await page.getByRole('button', { name: 'Log in' }).waitFor();
      claim((await page.locator('nav').count()) === 0, 'the menu is shown to a stranger');
    },
  },
  {
    name: 'a wrong password is refused in words',
    async tell({ page }) {
      await page.getByLabel('User').fill('nobody');
      await page.getByLabel('Password').fill('wrong-password');
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('alert').waitFor();
    },
  },
  {
    name: 'the one-time link logs in at once and leaves no token in the address',
    async tell({ page, url, token }) {
      await page.goto(`${url}/?t=${token}`);
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      claim(!page.url().includes('t='), 'the token is still in the address');
      claim((await page.title()) === 'Overview · Tandem', `the tab is called ${await page.title()}`);
    },
  },
  {
    name: 'pages run no script of anybody else: the policy allows only our own files',
    async tell({ page, url }) {
      const answer = await page.request.get(`${url}/`);
      const policy = answer.headers()['content-security-policy'] ?? '';
      claim(/script-src 'self'(;|$)/.test(policy) || (/default-src 'self'/.test(policy) && !/script-src/.test(policy)), `the policy is: ${policy}`);
      claim(!/<script(?![^>]*\ssrc=)[^>]*>/.test(await answer.text()), 'the page has an inline script');
    },
  },
];
