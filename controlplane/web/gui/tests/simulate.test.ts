import { expect, test } from 'vitest';
import { firstOf } from '../src/screens/routing/Simulate';

const route = (code: string, verdict: 'kept' | 'dropped', certain: boolean[]) => ({ egress_trunk: { id: code, code }, verdict, hurdles: certain.map((sure) => ({ cause: 327, certain: sure, reason: 'full' })) });

test('the first choice is the first route that nothing is certain to stand against', () => {
  const first = (...routes: ReturnType<typeof route>[]) => firstOf(routes as never)?.egress_trunk.code;
  expect(first(route('a', 'kept', [true]), route('b', 'kept', [false]), route('c', 'kept', []))).toBe('b');
  expect(first(route('a', 'kept', [true]), route('b', 'dropped', []))).toBe('a');
  expect(first(route('b', 'dropped', []))).toBeUndefined();
});
