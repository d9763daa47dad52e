import { expect, test } from 'vitest';
import type { Schemas } from '../src/api/http';
import { drainText, drillRefused, drillTo, heard, pairText, revisions } from '../src/screens/cluster/told';

const database = (node: number, refused: string | null) => ({ node, role: 'replica', process: 'running', writable: false, commits: 1, diverged: false, refused });
const held = { holder: 1, held: true, epoch: 4 };
const view = (change: object) => ({ state: 'live', database: held, databases: [database(1, 'it is primary already'), database(2, null)], ...change }) as unknown as Schemas['ClusterView'];
const node = (change: object) => ({ drained: true, calls: 0, shards: [], ...change }) as unknown as Schemas['ClusterNode'];

test('a drill goes to the database that loses nothing, and says why if there is none', () => {
  expect([drillTo(view({})), drillRefused(view({}))]).toEqual([2, '']);
  expect(drillRefused(view({ state: 'stale' }))).toBe('etcd must answer for a drill');
  expect(drillRefused(view({ database: null }))).toBe('no pair of databases is kept here');
  const behind = view({ databases: [database(1, 'it is primary already'), database(2, 'it may lack commits')] });
  expect([drillTo(behind), drillRefused(behind)]).toEqual([null, 'node 2: it may lack commits']);
  expect(drillRefused(view({ databases: [database(1, 'it is primary already')] }))).toBe('the other database is not there');
});

test('a drained node says how many calls are left', () => {
  expect(drainText(node({ calls: 1_312 }))).toBe('1,312 calls left');
  expect(drainText(node({}))).toBe('empty');
  expect(drainText(node({ drained: false }))).toBe('');
});

test('shards that decide from different revisions are named', () => {
  expect(revisions(node({ shards: [{ shard: 0, revision: 7 }, { shard: 1, revision: 7 }] }))).toBe('7');
  expect(revisions(node({ shards: [{ shard: 0, revision: 7 }, { shard: 1, revision: 6 }] }))).toBe('0: 7, 1: 6');
});

test('two servers without a third say what they decide, and when they heard each other', () => {
  const pair = (change: object) => pairText({ standing: 'paired', lost: false, split: false, ...change } as unknown as Schemas['PairView']);
  expect(pair({})).toBe('both servers decide together');
  expect(pair({ lost: true })).toBe('the other server is lost');
  expect(pair({ standing: 'solo', lost: true })).toBe('this server decides alone');
  expect(pair({ standing: 'joining' })).toBe('this server waits for the other one to tell it everything');
  expect(pair({ standing: 'solo', split: true })).toBe('both servers went on alone: one has to be emptied');
  expect([heard(null), heard(undefined), heard(0), heard(2_349)]).toEqual(['never', 'never', '0.0 s ago', '2.3 s ago']);
  expect(drillRefused(view({ state: 'stale', pair: {} }))).toBe('this node’s keeper must answer for a drill');
});
