import { expect, test } from 'vitest';
import { allows } from '../src/common/May';

test('a button is shown to whoever may do one of what it does, and to administrators', () => {
  expect(allows(['read', 'cdr:read'], 'write')).toBe(false);
  expect(allows(['read', 'write'], 'write')).toBe(true);
  expect(allows(['read', 'rates:write'], 'write', 'rates:write')).toBe(true);
  expect(allows(['admin'], 'calls:release')).toBe(true);
  expect(allows(undefined, 'read')).toBe(false);
});
