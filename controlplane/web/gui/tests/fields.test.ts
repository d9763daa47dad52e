import { expect, test } from 'vitest';
import { lineOf, sourceOf } from '../src/screens/carriers/fields';
import { toValues } from '../src/common/Form';

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
