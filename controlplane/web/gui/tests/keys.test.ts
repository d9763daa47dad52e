/** When keys end. */
import { expect, test } from 'vitest';
import { ends, nearness } from '../src/screens/system/Keys';

const NOW = Date.parse('2026-11-22T12:00:00Z');

test('a key ends after whole days, or never', () => {
  expect(ends(90, NOW)).toBe('2027-02-20T12:00:00.000Z');
  expect(ends(null, NOW)).toBeNull();
});

test('two weeks before its end a key is told as ending soon', () => {
  expect(nearness(null, NOW)).toBeNull();
  expect(nearness('2026-12-06T12:00:00Z', NOW)).toBeNull();
  expect(nearness('2026-12-06T11:59:59Z', NOW)).toBe('soon');
  expect(nearness('2026-11-22T12:00:00Z', NOW)).toBe('ended');
});
