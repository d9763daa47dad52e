import { expect, test } from 'vitest';
import { foundBy } from '../src/screens/cdrs/told';

test('a page of CDRs says who found them, where there is a choice', () => {
  expect(foundBy({ answered_by: 'search_engine' })).toBe('Found by the search engine.');
  expect(foundBy({ answered_by: 'database', passed: 'it is 12 s behind' })).toBe('Found by the database, not by the search engine: it is 12 s behind.');
  expect(foundBy({ answered_by: 'database' })).toBe('');
});
