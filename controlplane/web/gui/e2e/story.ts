/** What a story of the browser tests gets, and small helpers. */
import type { Page } from 'playwright-core';

export interface Node {
  page: Page;
  url: string;
  token: string;
}

/** A sentence about behaviour, and its proof. */
export interface Story {
  name: string;
  tell: (node: Node) => Promise<void>;
}

/** Fails with a sentence. */
export function claim(holds: unknown, sentence: string): asserts holds {
  if (!holds) throw new Error(sentence);
}

/** How long anything may take. A busy machine takes many times what an idle one does; a story that passes does not wait for this. */
export const PATIENCE_MS = 180_000;

/** Asks until it holds; fails with the sentence after `ms`. */
export async function until(sentence: string, holds: () => Promise<boolean>, ms = PATIENCE_MS): Promise<void> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(sentence);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** A GET of the API with the page's own login. */
export async function ask<T>({ page, url }: Node, path: string): Promise<T> {
  const answer = await page.request.get(url + path);
  claim(answer.ok(), `${path} answered ${answer.status()}`);
  return (await answer.json()) as T;
}

/** Goes to a screen and waits for its head. */
export async function open({ page, url }: Node, path: string): Promise<void> {
  await page.goto(url + path);
  await page.locator('main h1').first().waitFor();
}

/** Presses keys until they have done what they do: a screen may be drawn before it listens, and `g` waits for its letter a second only. */
export async function press(page: Page, keys: string[], done: () => Promise<boolean>): Promise<void> {
  await until(`${keys.join(' ')} does nothing`, async () => {
    if (await done()) return true;
    for (const key of keys) await page.keyboard.press(key);
    return done();
  });
}

/** Puts the cursor into the search box, by its key. */
export async function search(page: Page): Promise<void> {
  const box = page.getByLabel('Search', { exact: true });
  await press(page, ['/'], () => box.evaluate((element) => element === document.activeElement));
}

/** A figure of the overview as a number. */
export async function figure(page: Page, name: string): Promise<string> {
  return (await page.locator(`[data-figure="${name}"] [data-value]`).innerText()).trim();
}
