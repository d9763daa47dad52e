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

/** Asks until it holds; fails with the sentence after `ms`. */
export async function until(sentence: string, holds: () => Promise<boolean>, ms = 30_000): Promise<void> {
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

/** A figure of the overview as a number. */
export async function figure(page: Page, name: string): Promise<string> {
  return (await page.locator(`[data-figure="${name}"] [data-value]`).innerText()).trim();
}
