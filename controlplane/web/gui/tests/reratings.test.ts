/** What the form of a re-rating sends, and what its lines are called. */
import { expect, test } from 'vitest';
import { lineName, reratingBody } from '../src/screens/balances/Reratings';

test('the form sends a month, and only the decks that were chosen', () => {
  const sent = reratingBody({ account: 'acc_1', month: '2026-10', deck: 'dck_2', priced_by: null, why: 'a point too far' });
  expect(sent).toEqual({ account: 'acc_1', deck: 'dck_2', priced_by: null, month: '2026-10', from: null, till: null, why: 'a point too far' });
});

test('a line is named by prefix and destination, and says what became of it', () => {
  const line = { kind: 'changed', destination: 'UK London', prefix_before: '4420', prefix_after: '4420' } as const;
  expect(lineName(line)).toBe('4420 UK London');
  expect(lineName({ ...line, prefix_before: '44' })).toBe('44 → 4420 UK London');
  expect(lineName({ ...line, kind: 'unrated', prefix_after: '' })).toBe('4420 UK London: no rate now, keeps its price');
  expect(lineName({ ...line, kind: 'same', prefix_before: '', prefix_after: '', destination: '' })).toBe('All others, as they were');
});
