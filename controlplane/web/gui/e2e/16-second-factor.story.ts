import { createHmac } from 'node:crypto';
import { claim, open, type Story } from './story.ts';

/** The password of the user whom the story before has logged in. */
const PASSWORD = 'a long enough password';

/** The code of a step (RFC 6238 with SHA-1, six digits, 30 s) of a secret in base32. */
function code(base32: string, step: number): string {
  const bits = [...base32].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const secret = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const hash = createHmac('sha1', secret).update(counter).digest();
  const from = (hash[19] ?? 0) & 15;
  return String((hash.readUInt32BE(from) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

const stepNow = () => Math.floor(Date.now() / 30_000);

export const stories: Story[] = [
  {
    name: 'a user sets up a second factor, and the next login wants a code',
    async tell(node) {
      const { page, url } = node;
      await open(node, '/system');
      await page.getByRole('button', { name: 'My second factor' }).click();
      await page.getByLabel('Present password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Begin' }).click();
      const picture = page.getByAltText('QR code of the second factor');
      await picture.waitFor();
      claim((await picture.evaluate((image: HTMLImageElement) => image.decode().then(() => image.naturalWidth))) > 0, 'the picture is not drawn');
      const secret = (await page.locator('[data-secret]').innerText()).trim();
      const step = stepNow();
      await page.getByLabel('Six digits that it shows').fill(code(secret, step));
      await page.getByRole('button', { name: 'Put in force' }).click();
      const shown = await page.locator('[data-recovery-codes] pre').innerText();
      claim((shown.match(/[a-z2-7]{4}(-[a-z2-7]{4}){3}/g) ?? []).length === 10, `these are no ten codes: ${shown}`);
      await page.getByRole('button', { name: 'I have kept them' }).click();

      const me = await (await page.request.get(`${url}/api/v1/me`)).json();
      await page.request.delete(`${url}/api/v1/sessions`, { headers: { 'x-csrf-token': me.csrf_token } });
      await page.goto(url);
      await page.getByLabel('User').fill('vera');
      await page.getByLabel('Password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Log in' }).click();
      // A code counts once; that of the step that is about to come is taken too.
      await page.getByLabel('Code').fill(code(secret, Math.max(step + 1, stepNow())));
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
    },
  },
];
