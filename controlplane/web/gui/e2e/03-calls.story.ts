import { ask, claim, open, PATIENCE_MS, until, type Node, type Story } from './story.ts';

interface Call {
  id: string;
  state: string;
}

/** Clicks on Release in the row of a call; false when the call ended by itself before. */
async function asked(node: Node, id: string): Promise<boolean> {
  const { page } = node;
  const button = page.locator(`.MuiDataGrid-row[data-id="${id}"]`).getByRole('button', { name: 'Release' });
  const dialog = page.getByRole('dialog');
  await until('the button of a call that is there cannot be clicked', async () => {
    if ((await dialog.count()) > 0 || (await button.count()) === 0) return true;
    return button.click({ timeout: 5_000 }).then(() => true, () => false);
  });
  return (await dialog.count()) > 0 || (await button.count()) > 0;
}

/** Releases the last call of the list, as an operator does it; nothing when it had ended by itself before the answer to the question. */
async function releaseOne(node: Node): Promise<string | undefined> {
  const { page } = node;
  await open(node, '/calls?state=up');
  const row = page.locator('.MuiDataGrid-row').last();
  await row.waitFor();
  // The rows stand still while one of them is looked for.
  await page.getByRole('button', { name: 'Pause' }).click();
  const id = await row.getAttribute('data-id');
  claim(id, 'the row has no call');
  if (!(await asked(node, id))) return undefined;
  const [answer] = await Promise.all([
    page.waitForResponse((answer) => answer.request().method() === 'DELETE' && answer.url().includes('/api/v1/calls/')),
    page.getByRole('dialog').getByRole('button', { name: 'Release' }).click(),
  ]);
  claim(answer.url().endsWith(`/api/v1/calls/${id}`), `another call than ${id} was released: ${answer.url()}`);
  claim(answer.status() === 204 || answer.status() === 404, `the release was answered by ${answer.status()}`);
  if (answer.status() === 404) return undefined;
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Go on' }).click();
  return id;
}

export const stories: Story[] = [
  {
    name: 'a running call is listed, and released after a question',
    async tell(node) {
      const { page } = node;
      // People hang up by themselves too: such a call is none of ours, and the next one is released.
      let id: string | undefined;
      await until('every call ended by itself before it was released', async () => {
        id = await releaseOne(node);
        return id !== undefined;
      }, 2 * PATIENCE_MS);
      claim(id, 'no call was released');
      await until('the call is still running after its release', async () => !(await ask<{ data: Call[] }>(node, '/api/v1/calls?limit=1000')).data.some((call) => call.id === id));
      await page.locator(`.MuiDataGrid-row[data-id="${id}"]`).waitFor({ state: 'detached' });
      await open(node, `/cdrs/${id}`);
      await page.locator('p[data-verdict]').waitFor();
      await page.getByText('403 released by an operator').first().waitFor();
    },
  },
];
