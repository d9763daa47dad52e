import { ask, claim, open, until, type Node, type Story } from './story.ts';

interface Cdr {
  call: string;
  calling: string;
  ended_at: string;
}

interface Told {
  call: Cdr;
  ladder: { messages: { raw: string; label: string }[] } | null;
}

/** A call's messages are handed over when the last retransmission can have come, this long after its end. */
const HANDED_OVER_MS = 33_000;
/** How long a node may run before the first captured call is there. */
const CAPTURE_MS = 300_000;
/** Calls that are looked at each time, the latest and the earliest of those that can be there. */
const LOOKED_AT = 3;

let known: Cdr | undefined;

/** An answered call whose messages were captured. */
async function captured(node: Node): Promise<Cdr> {
  await until('no answered call was captured', async () => {
    if (known) return true;
    const now = Date.now();
    const query = new URLSearchParams({ from: new Date(now - 3_600_000).toISOString(), till: new Date(now).toISOString(), answered: 'true', limit: '500' });
    const all = (await ask<{ data: Cdr[] }>(node, `/api/v1/cdrs?${query.toString()}`)).data;
    const over = all.filter(({ ended_at }) => Date.parse(ended_at) < now - HANDED_OVER_MS);
    for (const cdr of [...over.slice(0, LOOKED_AT), ...over.slice(-LOOKED_AT)]) {
      if ((await ask<Told>(node, `/api/v1/cdrs/${cdr.call}/story`)).ladder) known = cdr;
    }
    return known !== undefined;
  }, CAPTURE_MS);
  claim(known, 'no answered call was captured');
  return known;
}

export const stories: Story[] = [
  {
    name: 'a story shows ladder, candidates and price; a click shows the message',
    async tell(node) {
      const { page } = node;
      const cdr = await captured(node);
      await open(node, `/cdrs/${cdr.call}`);
      await page.locator('[data-arrow^="INVITE"]').first().click();
      await page.locator('[data-raw]').getByText('INVITE sip:').first().waitFor();
      await page.locator('[data-arrow^="200"]').first().waitFor();
      await page.locator('[data-candidate]').first().waitFor();
      const total = page.locator('[data-price="Sell"] [data-price-total]');
      claim(/\d/.test(await total.innerText()), 'no sell price is shown');
      claim((await page.locator('[data-price="Sell"] li').count()) > 0, 'the price has no steps');
      claim((await page.locator('[data-stage]').count()) >= 6, 'the stage times are missing');
    },
  },
  {
    name: 'markup in a display name is shown as text and runs nothing',
    async tell(node) {
      const { page } = node;
      const cdr = await captured(node);
      const hostile = '<script>window.broken = 1</script><img src=x onerror="window.broken = 2">';
      // The real story of a real call, with a hostile name put into what its peer said.
      await page.route(`**/api/v1/cdrs/${cdr.call}/story`, async (route) => {
        const response = await route.fetch();
        const story = (await response.json()) as Told;
        story.call.calling = hostile;
        story.ladder?.messages.forEach((message) => {
          message.raw = message.raw.replace(/^From:.*$/m, `From: "${hostile}" <sip:1@127.0.0.1>;tag=1`);
        });
        await route.fulfill({ response, json: story });
      });
      await open(node, `/cdrs/${cdr.call}`);
      await page.getByRole('heading', { level: 1 }).getByText(hostile).waitFor();
      await page.locator('[data-arrow]').first().click();
      await page.locator('[data-raw]').getByText('window.broken').waitFor();
      claim(!(await page.evaluate('window.broken')), 'the markup ran');
      claim((await page.locator('main img, main script').count()) === 0, 'the markup became elements');
      await page.unrouteAll();
    },
  },
];
