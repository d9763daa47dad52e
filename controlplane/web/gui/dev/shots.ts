/** Takes a picture of every screen, light and dark, wide and narrow: `npm run shots -- DIR`, against TANDEM_URL or the mock. */
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { CHROMIUM, FLAGS } from '../e2e/browser.ts';

const [dir = 'shots', only = ''] = process.argv.slice(2);
const url = process.env.TANDEM_URL ?? 'http://127.0.0.1:5173';
const token = process.env.TANDEM_TOKEN;

const WIDE = ['/', '/calls', '/carriers', '/carriers/car_1', '/carriers/car_4', '/rates', '/rates/dck_1', '/routing', '/routing/pln_1', '/routing/simulate?called=919810123442&ingress_trunk=itr_1', '/cdrs', '/cdrs/0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c02', '/latency', '/nodes', '/system', '/system?tab=audit'];
const NARROW = ['/', '/calls', '/cdrs', '/cdrs/0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c02'];

mkdirSync(dir, { recursive: true });
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
for (const [size, look] of [['wide', 'light'], ['wide', 'dark'], ['narrow', 'light'], ['narrow', 'dark']] as const) {
  const viewport = size === 'wide' ? { width: 1440, height: 900 } : { width: 360, height: 800 };
  const context = await browser.newContext({ viewport, colorScheme: look });
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && console.log(`${message.text()} (${page.url()})`));
  page.on('pageerror', (error) => console.log(`page error: ${error.message} (${page.url()})`));
  await page.goto(token ? `${url}/?t=${token}` : url);
  for (const path of size === 'wide' ? WIDE : NARROW) {
    const name = `${path.replace(/\?.*tab=/, '-').replace(/\?.*/, '').replace(/^\/|\/$/g, '').replaceAll('/', '-').slice(0, 24) || 'overview'}-${size}-${look}`;
    if (only && !name.includes(only)) continue;
    await page.goto(url + path);
    await page.waitForSelector('main h1');
    await page.waitForTimeout(1_600);
    await page.screenshot({ path: `${dir}/${name}.png` });
  }
  await context.close();
}
await browser.close();
