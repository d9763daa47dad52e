/** Takes a picture of every screen, light and dark, wide and narrow: `npm run shots -- DIR`, against TANDEM_URL or the mock. */
import { mkdirSync } from 'node:fs';
import { chromium, type BrowserContext } from 'playwright-core';
import { CHROMIUM, FLAGS } from '../e2e/browser.ts';

const [dir = 'shots', only = ''] = process.argv.slice(2);
const url = process.env.TANDEM_URL ?? 'http://127.0.0.1:5173';
const token = process.env.TANDEM_TOKEN;

/** Screens with objects that the node has: its first carrier, deck, plan and trunk, and a call of half a minute ago. */
async function places(get: (path: string) => Promise<{ data: { id: string; call: string; called_routed: string }[] }>): Promise<{ wide: string[]; narrow: string[] }> {
  const now = Date.now();
  const query = new URLSearchParams({ from: new Date(now - 3_600_000).toISOString(), till: new Date(now - 40_000).toISOString(), answered: 'true', limit: '1' });
  const nouns = ['carriers', 'decks', 'plans', 'ingress-trunks', `cdrs?${query.toString()}`];
  const [carrier, deck, plan, trunk, cdr] = await Promise.all(nouns.map(async (noun) => (await get(`/api/v1/${noun}`)).data[0]));
  const story = `/cdrs/${cdr?.call}`;
  const wide = ['/', '/calls', '/carriers', `/carriers/${carrier?.id}`, '/rates', `/rates/${deck?.id}`, '/routing', `/routing/${plan?.id}`, `/routing/simulate?called=${cdr?.called_routed}&ingress_trunk=${trunk?.id}`, '/cdrs', story, '/latency', '/nodes', '/nodes/cluster', '/system', '/system?tab=audit'];
  return { wide, narrow: ['/', '/calls', '/cdrs', story] };
}

mkdirSync(dir, { recursive: true });
let login: Awaited<ReturnType<BrowserContext['storageState']>> | undefined;
let found: Awaited<ReturnType<typeof places>> | undefined;
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
for (const [size, look] of [['wide', 'light'], ['wide', 'dark'], ['narrow', 'light'], ['narrow', 'dark']] as const) {
  const viewport = size === 'wide' ? { width: 1440, height: 900 } : { width: 360, height: 800 };
  const context = await browser.newContext({ viewport, colorScheme: look, storageState: login });
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && console.log(`${message.text()} (${page.url()})`));
  page.on('pageerror', (error) => console.log(`page error: ${error.message} (${page.url()})`));
  await page.goto(token && !login ? `${url}/?t=${token}` : url);
  await page.waitForSelector('main h1');
  login = await context.storageState();
  found ??= await places(async (path) => (await (await page.request.get(url + path)).json()) as never);
  for (const path of size === 'wide' ? found.wide : found.narrow) {
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
