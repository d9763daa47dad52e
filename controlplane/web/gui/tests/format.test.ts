import { expect, test } from 'vitest';
import { age, bytes, count, decimal, fixed, nanos, percent, placesOf, placesThatAddUp, rounded, signOf, span, talk, when } from '../src/common/format';
import { changed, figureIn, numberIn, timeWindow } from '../src/common/url';
import { guess } from '../src/common/guess';

test('money is written from its string, never through a float', () => {
  expect(decimal('0.00980000', 4)).toBe('0.0098');
  expect(decimal('0.1')).toBe('0.10');
  expect(decimal('1234567.123456789', 2)).toBe('1,234,567.123456789');
  expect(decimal('-12410')).toBe('−12,410.00');
  expect(decimal(null)).toBe('–');
});

test('a column of prices has as many decimals as its longest', () => {
  expect(placesOf(['0.0777', '0.294407', '1', null], 4)).toBe(6);
  expect(placesOf(['0.10000000'], 4)).toBe(4);
});

test('headline sums are rounded half away from zero', () => {
  expect(rounded('1.005')).toBe('1.01');
  expect(rounded('-1.005')).toBe('−1.01');
  expect(rounded('9999.999')).toBe('10,000.00');
  expect(rounded('-0.001')).toBe('0.00');
});

test('floats are rounded by the digits that people read, as a CSV file of them would be', () => {
  expect([1.005, 2.675, 1.255, 0.1 + 0.2].map((value) => fixed(value, 2))).toEqual(['1.01', '2.68', '1.26', '0.30']);
  expect([fixed(1234.5, 0), fixed(-0.001, 2), fixed(1e-9, 2), fixed(null, 2)]).toEqual(['1235', '0.00', '0.00', '–']);
  expect([percent(33.45), percent(-8.345, 2), percent(100, 0)]).toEqual(['33.5 %', '−8.35 %', '100 %']);
  expect([2_105, 9_994, 9_996, 14_250].map(span)).toEqual(['2.11 s', '9.99 s', '10.0 s', '14.3 s']);
});

test('sums that stand beside each other have as many decimals as it takes to add up', () => {
  expect(placesThatAddUp('10.00', '5.00', '5.00')).toBe(2);
  expect(placesThatAddUp('0.794', '0.176', '0.618')).toBe(3);
  expect(placesThatAddUp('1234.004', '5000.006', '-3766.002')).toBe(3);
  expect(placesThatAddUp('0.000000004', '0.000000002', '0.000000002')).toBe(2);
  expect(placesThatAddUp('0.005', '0', '0.005')).toBe(2);
});

test('the sign of a decimal string', () => {
  expect(['-0.5', '0.000', '3'].map(signOf)).toEqual([-1, 0, 1]);
});

test('talk time reads like a clock', () => {
  expect([0, 7_900, 192_000, 3_723_000].map(talk)).toEqual(['0:00', '0:07', '3:12', '1:02:03']);
});

test('spans choose the unit with the fewest digits', () => {
  expect([820, 41_200, 6_100_000, 2_100_000_000].map(nanos)).toEqual(['820 ns', '41.2 µs', '6.10 ms', '2.10 s']);
  expect([812, 2_100, 14_200].map(span)).toEqual(['812 ms', '2.10 s', '14.2 s']);
});

test('counts, shares, bytes and ages', () => {
  expect(count(9812)).toBe('9,812');
  expect(percent(46.23)).toBe('46.2 %');
  expect(percent(-51.26)).toBe('−51.3 %');
  expect(bytes(1_400)).toBe('1.40 kB');
  expect([3_000, 120_000, 7_200_000, 259_200_000].map(age)).toEqual(['3 s', '2 min', '2 h', '3 d']);
});

test('an instant in UTC keeps its milliseconds', () => {
  expect(when('2026-07-20T13:59:58.201773Z', 'utc')).toBe('2026-07-20 13:59:58.201');
  expect(when('2026-07-20T13:59:58.201Z', 'utc', 'minute')).toBe('2026-07-20 13:59');
  expect(when('2026-07-20T13:59:58.201Z', 'utc', 'day')).toBe('07-20 13:59:58');
  expect(when('not a time', 'utc')).toBe('not a time');
});

test('filters go into the query in a stable order and leave it when empty', () => {
  expect(changed('?b=2&a=1', { c: '3' })).toBe('a=1&b=2&c=3');
  expect(changed('?b=2&a=1', { b: '' })).toBe('a=1');
});

test('a time window is the last hour unless the URL says otherwise', () => {
  const now = Date.parse('2026-07-20T14:00:00Z');
  expect(timeWindow(new URLSearchParams(), now)).toEqual({ from: '2026-07-20T13:00:00.000Z', till: '2026-07-20T14:00:00.000Z' });
  expect(timeWindow(new URLSearchParams('window=5m'), now).from).toBe('2026-07-20T13:55:00.000Z');
  expect(timeWindow(new URLSearchParams('from=a&till=b'), now)).toEqual({ from: 'a', till: 'b' });
});

test('the search box knows numbers, calls and ids by their shape', () => {
  expect(guess('+442071234567')[0]?.href).toBe('/cdrs?called=442071234567');
  expect(guess('0123456789abcdef0123456789abcdef')[0]?.href).toBe('/cdrs/0123456789abcdef0123456789abcdef');
  expect(guess('dck_7')[0]?.href).toBe('/rates/dck_7');
  expect(guess('0712').map(({ href }) => href)).toContain('/cdrs?digits=0712');
  expect(guess('f81d4fae@10.0.0.1')[0]?.href).toBe('/cdrs?window=1d&sip_call_id=f81d4fae%4010.0.0.1');
  for (const copied of ['+44 (20) 7123-4567', '44.20.7123.4567', ' 442071234567 ']) expect(guess(copied)[0]?.href, copied).toBe('/cdrs?called=442071234567');
  expect(guess('192.0.2.10')[0]?.href).toBe('/carriers?q=192.0.2.10');
  expect(guess('acme')[0]?.href).toBe('/carriers?q=acme');
  expect(guess('  ')).toEqual([]);
});

test('a figure that is none is asked for all the same, so that somebody says so', () => {
  const query = new URLSearchParams({ cause: '34', sip_status: '5xx', empty: '', called: '+44 (20) 7123' });
  expect([figureIn(query, 'cause'), figureIn(query, 'sip_status'), figureIn(query, 'empty'), figureIn(query, 'none')]).toEqual([34, Number.NaN, undefined, undefined]);
  expect([numberIn(query, 'called'), numberIn(query, 'empty')]).toEqual(['+44207123', undefined]);
});
