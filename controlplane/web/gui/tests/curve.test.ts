import { expect, test } from 'vitest';
import { joined, nines, ninesLabel } from '../src/screens/latency/curve';

test('every nine is one step to the right', () => {
  expect([0, 90, 99, 99.9].map((p) => Number(nines(p).toFixed(6)))).toEqual([0, 1, 2, 3]);
  expect(nines(100)).toBeLessThan(7);
  expect([0, 1, 1.5].map(ninesLabel)).toEqual(['0 %', '90 %', '']);
});

test('curves with different places share one axis', () => {
  const { x, ys } = joined([[{ percentile: 0, ns: 10 }, { percentile: 90, ns: 20 }], [{ percentile: 90, ns: 5 }]]);
  expect(x).toHaveLength(2);
  expect(ys).toEqual([[10, 20], [null, 5]]);
});
