import { createHmac } from 'node:crypto';
import { ask, claim, open, until, type Node, type Story } from './story.ts';

/** The password of the users of these stories. */
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

/**
 * Types the code of a step not before `first` until it is taken. One counts for a minute and a half, which a busy machine may need for a click,
 * so that another follows one that is refused.
 */
async function prove({ page }: Node, secret: string, field: string, verb: string, taken: () => Promise<boolean>, first = 0): Promise<number> {
  let step = 0;
  await until(`no code is taken by “${verb}”`, async () => {
    if (await taken()) return true;
    const box = page.getByLabel(field, { exact: true });
    const button = page.getByRole('button', { name: verb });
    if (step === Math.max(first, stepNow())) return false;
    step = Math.max(first, stepNow());
    // The field may go while it is filled: then the code before was taken.
    await box.fill(code(secret, step), { timeout: 20_000 }).then(() => button.click({ timeout: 20_000 })).catch(() => undefined);
    return false;
  });
  return step;
}

interface Me {
  name: string;
  csrf_token: string;
  has_password: boolean;
}

/** Whoever is logged in, with a password. */
async function present(node: Node): Promise<Me> {
  const me = await ask<Me>(node, '/api/v1/me');
  if (me.has_password) return me;
  const set = await node.page.request.put(`${node.url}/api/v1/me/password`, { headers: { 'x-csrf-token': me.csrf_token }, data: { password: PASSWORD } });
  claim(set.status() === 204, `the password is not set: ${await set.text()}`);
  return me;
}

export const stories: Story[] = [
  {
    name: 'a user sets up a second factor, and the next login wants a code',
    async tell(node) {
      const { page, url } = node;
      const me = await present(node);
      await open(node, '/system');
      await page.getByRole('button', { name: 'My second factor' }).click();
      await page.getByLabel('Present password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Begin' }).click();
      const picture = page.getByAltText('QR code of the second factor');
      await picture.waitFor();
      claim((await picture.evaluate((image: HTMLImageElement) => image.decode().then(() => image.naturalWidth))) > 0, 'the picture is not drawn');
      const secret = (await page.locator('[data-secret]').innerText()).trim();
      const codes = page.locator('[data-recovery-codes] pre');
      const step = await prove(node, secret, 'Six digits that it shows', 'Put in force', () => codes.isVisible());
      const shown = await codes.innerText();
      claim((shown.match(/[a-z2-7]{4}(-[a-z2-7]{4}){3}/g) ?? []).length === 10, `these are no ten codes: ${shown}`);
      await page.getByRole('button', { name: 'I have kept them' }).click();

      const { csrf_token } = await ask<Me>(node, '/api/v1/me');
      await page.request.delete(`${url}/api/v1/sessions`, { headers: { 'x-csrf-token': csrf_token } });
      await page.goto(url);
      await page.getByLabel('User').fill(me.name);
      await page.getByLabel('Password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByLabel('Code', { exact: true }).waitFor();
      // A code counts once; that of the step that is about to come is taken too.
      await prove(node, secret, 'Code', 'Log in', () => page.getByRole('heading', { name: 'Overview' }).isVisible(), step + 1);
    },
  },
];
