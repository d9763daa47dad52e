/**
 * Runs the stories of e2e/*.story.ts in a browser against a running node.
 *
 * TANDEM_URL    where the control plane listens, as http://127.0.0.1:8080
 * TANDEM_TOKEN  an unused one-time login token
 * The node must carry a few calls: those of `tandem demo` will do.
 */
import { readdirSync } from 'node:fs';
import { chromium, type Page } from 'playwright-core';
import { CHROMIUM, FLAGS } from './browser.ts';
import { PATIENCE_MS, type Story } from './story.ts';

const url = process.env.TANDEM_URL;
const token = process.env.TANDEM_TOKEN;
if (!url || !token) throw new Error('TANDEM_URL and TANDEM_TOKEN say which node to test and how to log in');

const [only = ''] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: PATIENCE_MS });
const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, acceptDownloads: true });
context.setDefaultTimeout(PATIENCE_MS);
const page = await context.newPage();

const faults: string[] = [];
const asked = new Set<string>();
page.on('pageerror', (error) => faults.push(error.message));
page.on('request', (request) => asked.add(new URL(request.url()).origin));
page.on('console', (message) => /content security policy/i.test(message.text()) && faults.push(message.text()));

/** The first lines of a text, as they stand below a story's name. */
function indented(text: string, lines: number): string {
  return text.split('\n').filter((line) => line.trim() !== '').slice(0, lines).map((line) => `      ${line}`).join('\n');
}

/** One story; a fault of the page fails it even if the story came to its end. */
async function tell(page: Page, file: string, story: Story): Promise<boolean> {
  const begun = performance.now();
  faults.length = 0;
  try {
    await story.tell({ page, url: url ?? '', token: token ?? '' });
    if (faults.length > 0) throw new Error(`the page failed: ${faults.join('; ')}`);
    console.log(`ok    ${story.name} (${Math.round(performance.now() - begun)} ms)`);
    return true;
  } catch (error) {
    const picture = `test-results/${file.replace('.story.ts', '')}.png`;
    await page.screenshot({ path: picture }).catch(() => undefined);
    const shown = await page.locator('body').innerText().catch(() => 'nothing');
    // Without the colours that the driver puts in.
    const reason = (error instanceof Error ? error.message : String(error)).replace(/\u001b\[\d+m/g, '');
    console.log(`FAIL  ${story.name}\n${indented(reason, 12)}\n      at ${page.url()}, picture: ${picture}; the page shows:\n${indented(shown, 40)}`);
    return false;
  }
}

let [passed, failed] = [0, 0];
const files = readdirSync(new URL('.', import.meta.url)).filter((file) => file.endsWith('.story.ts')).sort();
for (const file of files) {
  // The first story logs in; the others need it.
  if (!file.startsWith('01') && !file.includes(only)) continue;
  const { stories } = (await import(`./${file}`)) as { stories: Story[] };
  for (const story of stories) {
    if (await tell(page, file, story)) passed += 1;
    else failed += 1;
  }
}
const strangers = [...asked].filter((origin) => origin !== new URL(url).origin && origin !== 'null');
if (strangers.length > 0) {
  console.log(`FAIL  the pages asked other hosts: ${strangers.join(', ')}`);
  failed += 1;
}
await browser.close();
console.log(`gui: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
