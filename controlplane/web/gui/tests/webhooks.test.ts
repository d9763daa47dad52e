/** What the form of a webhook sends. */
import { expect, test } from 'vitest';
import { webhookBody } from '../src/screens/system/Webhooks';

test('a webhook is told of every line, and not told when the tick is off', () => {
  const body = webhookBody({ name: 'noc', url: 'https://noc.example.net', events: ['alarm.*', 'account.low'], active: false });
  expect(body).toEqual({ name: 'noc', url: 'https://noc.example.net', events: ['alarm.*', 'account.low'], active: false });
  expect(webhookBody({}).events).toEqual([]);
});
