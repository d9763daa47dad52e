import { expect, test } from 'vitest';
import { askOf, cdrsOf, chosen, dimensions, type Row } from '../src/screens/statistics/ask';

const at = (search: string) => new URLSearchParams(search);

test('what is asked by stands in the address, and time is asked for once', () => {
  expect([dimensions(at('')), dimensions(at('by=none')), dimensions(at('by=day,colour,cause'))]).toEqual([['originator'], [], ['day', 'cause']]);
  expect(chosen(['originator'], 1, 'day')).toBe('originator,day');
  expect(chosen(['hour', 'cause'], 2, 'day')).toBe('cause,day');
  expect(chosen(['originator', 'cause'], 0, 'cause')).toBe('cause');
  expect(chosen(['originator'], 0, '')).toBe('none');
  expect(askOf(at('sort=colour&cause=x&by=none'))).toEqual({ by: undefined, sort: undefined, ascending: undefined, currency: undefined, originator: undefined, ingress_trunk: undefined, terminator: undefined, egress_trunk: undefined, called: undefined, cause: Number.NaN, cursor: undefined });
});

test('a number leads to the records behind it', () => {
  const row = { terminator: { id: 'car_2', code: 'oria' }, country: '44', cause: 17, period: { name: '2026-11-21', from: '2026-11-21T00:00:00Z', till: '2026-11-22T00:00:00Z' } } as unknown as Row;
  const window = { from: '2026-11-21T10:00:00Z', till: '2026-11-23T00:00:00Z' };
  expect(cdrsOf(row, at('originator=car_1&called=4'), window, true, true)).toBe('/cdrs?answered=true&called=44&cause=17&from=2026-11-21T10%3A00%3A00Z&kind=attempt&originator=car_1&terminator=car_2&till=2026-11-22T00%3A00%3A00Z');
  expect(cdrsOf({} as Row, at('called=44207'), window, false, false)).toBe('/cdrs?called=44207&from=2026-11-21T10%3A00%3A00Z&till=2026-11-23T00%3A00%3A00Z');
});
