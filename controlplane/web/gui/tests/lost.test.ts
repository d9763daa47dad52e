import { expect, test } from 'vitest';
import { returnedText, sentenceOf } from '../src/screens/nodes/Lost';
import { secretFields } from '../src/screens/balances/Secret';

test('what is typed before a node is given up names the node', () => {
  expect(sentenceOf(7)).toBe('node 7 is off');
});

test('what a lost node held is told by account', () => {
  const code = (id: string) => (id === 'acc_1' ? 'acme' : id);
  const returned = [{ account: 'acc_1', amount: '2.2' }, { account: 'acc_9', amount: '0.5' }];
  expect(returnedText({ boot: 3, grants: 2, returned }, code)).toBe('Back to their accounts: acme 2.20, acc_9 0.50.');
  expect(returnedText({ boot: 3, grants: 0, returned: [] }, code)).toBe('It held nothing: no account gets money back.');
});

test('a secret is drawn for one of the accounts', () => {
  expect(secretFields([{ id: 'acc_1', code: 'acme' }])[0]?.choices).toEqual([{ value: 'acc_1', text: 'acme' }]);
});
