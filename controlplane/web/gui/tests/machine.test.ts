import { expect, test } from 'vitest';
import { clockText, clockTone, diskTone, loadTone, memoryTone, missing, shardTone } from '../src/common/machine';

const machine = { read_at: '', uptime_s: 9, cores: 2, load: [1.9, 0, 0], memory_bytes: 100, memory_free_bytes: 15, disks: [], programs: [{ name: 'dataplane', uptime_s: 1, memory_bytes: 1 }], shards: [] };

test('a machine is told in colours from where it matters on', () => {
  expect([1.9, 2, 4].map((one) => loadTone({ ...machine, load: [one, 0, 0] }))).toEqual(['success', 'warning', 'error']);
  expect([16, 15, 5].map((memory_free_bytes) => memoryTone({ ...machine, memory_free_bytes }))).toEqual(['success', 'warning', 'error']);
  expect(memoryTone({ ...machine, memory_bytes: 0 })).toBe('default');
  expect([79, 80, 90].map(diskTone)).toEqual(['success', 'warning', 'error']);
});

test('a shard that waits for a core is shown as one that is busy', () => {
  const tone = (cpu_percent: number, wait_percent: number) => shardTone({ shard: 0, cpu_percent, wait_percent });
  expect([tone(74.9, 4.9), tone(75, 0), tone(1, 5), tone(90, 0), tone(1, 20)]).toEqual(['success', 'warning', 'warning', 'error', 'error']);
});

test('a clock that nobody tells of is neither right nor wrong', () => {
  expect([clockTone(null), clockTone(-49), clockTone(-50), clockTone(1_000)]).toEqual(['default', 'success', 'warning', 'error']);
  expect([clockText(undefined), clockText(-0.012), clockText(1_500)]).toEqual(['not known', '0.01 ms behind', '1500 ms ahead']);
});

test('a program that does not run is named', () => {
  expect(missing(machine)).toEqual(['controlplane']);
});
