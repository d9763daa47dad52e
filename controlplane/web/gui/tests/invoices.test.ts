/** What the form of an invoice proposes and sends. */
import { expect, test } from 'vitest';
import { invoiceBody, monthBefore } from '../src/screens/balances/Invoices';

test('the month before is proposed, over the turn of a year too', () => {
  expect(monthBefore(new Date('2026-11-30T23:59:00Z'))).toBe('2026-10');
  expect(monthBefore(new Date('2027-01-01T00:00:00Z'))).toBe('2026-12');
  expect(monthBefore(new Date('2026-03-31T12:00:00Z'))).toBe('2026-02');
});

test('what is left empty is the API’s to choose, and an address has lines', () => {
  const empty = { account: 'acc_1', month: '2026-10', from: null, till: null, zone: null, addressed_to: null, note: null };
  expect(invoiceBody({ account: 'acc_1', month: '2026-10', zone: null, addressed_to: null })).toEqual(empty);
  expect(invoiceBody({ account: 'acc_1', month: '2026-10', addressed_to: 'Acme, Inc.\nParis' }).addressed_to).toBe('Acme, Inc.\nParis');
});
