import { expect, test } from 'vitest';
import { numbersOf } from '../src/screens/rates/Check';
import { changeOf } from '../src/screens/rates/terms';

test('numbers are taken as people write them, one a line or with commas', () => {
  expect(numbersOf('+44 (20) 7946-0123\n\n1.212.555.0100; 49')).toBe('+442079460123,12125550100,49');
  expect(numbersOf(' \n')).toBe('');
});

test('a change of many rates says only what was filled in', () => {
  expect(changeOf({ destination: 'UK%', prefix: null, add_percent: '2.5', minimum_s: null, blocked: null })).toEqual({ destination: 'UK%', add_percent: '2.5' });
  expect(changeOf({ minimum_s: 0, blocked: 'no' })).toEqual({ minimum_s: 0, blocked: false });
});
