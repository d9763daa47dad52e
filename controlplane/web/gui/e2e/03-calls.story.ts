import { ask, claim, open, until, type Node, type Story } from './story.ts';

interface Call {
  id: string;
  state: string;
}

/** Releases the newest call that talks, as an operator does it; nothing when it had ended by itself before the answer to the question. */
async function releaseNewest(node: Node): Promise<string | undefined> {
  const { page } = node;
  await open(node, '/calls?state=up');
  const row = page.locator('.MuiDataGrid-row').last();
  await row.waitFor();
  const id = await row.getAttribute('data-id');
  claim(id, 'the row has no call');
  const button = page.locator(`.MuiDataGrid-row[data-id="${id}"]`).getByRole('button', { name: 'Release' });
  const asked = await button.click({ timeout: 5_000 }).then(() => true, () => false);
  if (!asked) {
    claim((await button.count()) === 0, 'the button of a call that is there cannot be clicked');
    return undefined;
  }
  const answered = page.waitForResponse((answer) => answer.request().method() === 'DELETE' && answer.url().endsWith(`/api/v1/calls/${id}`));
  await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
  const status = (await answered).status();
  claim(status === 204 || status === 404, `the release was answered by ${status}`);
  return status === 204 ? id : undefined;
}

export const stories: Story[] = [
  {
    name: 'a running call is listed, and released after a question',
    async tell(node) {
      // People hang up by themselves too: such a call is none of ours, and the next one is released.
      for (let left = 5; left > 0; left -= 1) {
        const id = await releaseNewest(node);
        if (!id) continue;
        const { page } = node;
        await until('the call is still running after its release', async () => !(await ask<{ data: Call[] }>(node, '/api/v1/calls?limit=1000')).data.some((call) => call.id === id));
        await page.locator(`.MuiDataGrid-row[data-id="${id}"]`).waitFor({ state: 'detached' });
        await open(node, `/cdrs/${id}`);
        await page.locator('p[data-verdict]').waitFor({ timeout: 20_000 });
        await page.getByText('403 released by an operator').first().waitFor();
        return;
      }
      throw new Error('five calls ended by themselves before they were released');
    },
  },
];
