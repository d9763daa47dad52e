import { expect, test } from 'vitest';
import { lineOf, sourceOf } from '../src/screens/carriers/fields';
import { toValues, unreadable } from '../src/common/Form';
import { paceOf } from '../src/screens/calls/pace';

test('sources are written as people write addresses', () => {
  const lines = ['192.0.2.7', '192.0.2.0/28', '192.0.2.7:5060', '2001:db8::/32', '[2001:db8::1]:5062'];
  expect(lines.map(sourceOf)).toEqual([
    { network: '192.0.2.7', port: null },
    { network: '192.0.2.0/28', port: null },
    { network: '192.0.2.7', port: 5060 },
    { network: '2001:db8::/32', port: null },
    { network: '2001:db8::1', port: 5062 },
  ]);
  expect(lines.map(sourceOf).map(lineOf)).toEqual(lines);
});

test('a form gives numbers, lists, ticks and nothing for an empty optional field', () => {
  const fields = [
    { name: 'cps', label: '', kind: 'number' as const },
    { name: 'note', label: '', kind: 'text' as const, optional: true },
    { name: 'sources', label: '', kind: 'lines' as const },
    { name: 'active', label: '', kind: 'tick' as const },
    { name: 'rate', label: '', kind: 'text' as const },
  ];
  expect(toValues(fields, { cps: ' 50 ', note: ' ', sources: 'a\n b, c\n', active: true, rate: '0.0124' })).toEqual({ cps: 50, note: null, sources: ['a', 'b', 'c'], active: true, rate: '0.0124' });
});

test('a number that is none is not sent: nothing would be said of it, and empty would mean no limit', () => {
  const fields = [
    { name: 'capacity', label: '', kind: 'number' as const },
    { name: 'offset', label: '', kind: 'number' as const, optional: true },
    { name: 'code', label: '', kind: 'text' as const },
  ];
  const wrong = (capacity: string, offset = '') => unreadable(fields, { capacity, offset, code: 'many' }).map(({ pointer }) => pointer);
  expect(wrong(' 50 ')).toEqual([]);
  expect(wrong('0', '\u221260')).toEqual([]);
  expect(toValues(fields, { capacity: '1', offset: '\u221260', code: 'a' })).toEqual({ capacity: 1, offset: -60, code: 'a' });
  for (const text of ['', 'many', '1.5', '1e3', '0x10', '1,000', '1 000']) expect(wrong(text), text).toEqual(['/capacity']);
  expect(wrong('1', 'east')).toEqual(['/offset']);
});

test('running calls are looked at once a second, more rarely where drawing them takes long', () => {
  expect([0, 16, 200, 201, 900, 60_000].map(paceOf)).toEqual([1, 1, 1, 2, 5, 10]);
});
