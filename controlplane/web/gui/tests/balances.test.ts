import { expect, test } from 'vitest';
import { lasting, share } from '../src/screens/balances/Balances';
import { accountBody, carrierStart } from '../src/screens/carriers/fields';
import { nameOf, parts, taken } from '../src/screens/nodes/Limits';
import type { Carrier } from '../src/api/objects';

test('a runway is said in minutes, hours or days', () => {
  expect([59, 3_600, 7_200, 86_400, 864_000].map((seconds) => lasting(seconds))).toEqual(['1 min', '60 min', '2 h', '24 h', '10 days']);
  expect([lasting(null), lasting(undefined)]).toEqual(['–', '–']);
});

test('a cap that is not there has no share', () => {
  expect([share('80', '100'), share('80', null), share('0', undefined)]).toEqual([0.8, null, null]);
});

test('a limit of 0 is none', () => {
  expect([taken(3, 0), taken(3, 10)]).toEqual(['3', '3 of 10']);
});

test('a limit is named by what it belongs to', () => {
  const bare = { calls: 0, capacity: 0, recent: 0, cps: 0, cps_window_s: 1, nodes: [] };
  const carrier = { id: 'car_1', code: 'oria' };
  expect(nameOf({ ...bare, kind: 'switch' })).toBe('');
  expect(nameOf({ ...bare, kind: 'share', carrier, originator: { id: 'car_2', code: 'acme' } })).toBe('acme at oria');
  expect(nameOf({ ...bare, kind: 'egress_trunk', egress_trunk: { id: 'et_1', code: 'oria-1' } })).toBe('oria-1');
});

test('each node has its part of a limit', () => {
  const limit = { kind: 'switch' as const, calls: 0, capacity: 10, recent: 0, cps: 0, cps_window_s: 1, nodes: [{ node: 1, calls: 4, recent: 0 }, { node: 2, calls: 6, recent: 0 }] };
  expect([parts(limit), parts({ ...limit, nodes: [] })]).toEqual(['1: 4 · 2: 6', '–']);
  expect(parts({ ...limit, cps: 2, nodes: [{ node: 3, calls: 4, recent: 2 }] })).toBe('3: 4 / 2');
  expect(parts({ ...limit, capacity: 0, cps: 2, nodes: [{ node: 3, calls: 0, recent: 2 }] })).toBe('3: 2');
});

test('the form of a carrier begins with all its limits', () => {
  const carrier = { code: 'acme', name: 'Acme', blocked: false, capacity: 4, ingress_capacity: 5 } as unknown as Carrier;
  expect(carrierStart(carrier)).toMatchObject({ code: 'acme', capacity: 4, ingress_capacity: 5 });
});

test('text of an account that is empty is empty, not null', () => {
  expect(accountBody({ zone: null, notice_mail: null, notice_url: 'https://a.example/' })).toEqual({ zone: '', notice_mail: '', notice_url: 'https://a.example/' });
});
