/** When a figure of a machine is something to look at. Only colours: what somebody must do is told by alarms and `tandem doctor`. */
import type { Schemas } from '../api/http';
import { fixed } from './format';

type Machine = Schemas['Machine'];
export type Tone = 'success' | 'warning' | 'error' | 'default';

/** Red from `error` on, yellow from `warning` on. */
function from(value: number, warning: number, error: number): Tone {
  if (value >= error) return 'error';
  return value >= warning ? 'warning' : 'success';
}

/** More threads than cores want to run. */
export const loadTone = (machine: Machine): Tone => from(machine.load[0] ?? 0, Math.max(1, machine.cores), 2 * Math.max(1, machine.cores));

/** A shard that waits for its core is slow at any load. */
export function shardTone(load: Machine['shards'][number]): Tone {
  const worse = [from(load.cpu_percent, 75, 90), from(load.wait_percent, 5, 20)];
  return worse.includes('error') ? 'error' : worse.includes('warning') ? 'warning' : 'success';
}

export const diskTone = (used: number): Tone => from(used, 80, 90);

export function memoryTone(machine: Machine): Tone {
  if (machine.memory_bytes === 0) return 'default';
  return from(100 - (100 * machine.memory_free_bytes) / machine.memory_bytes, 85, 95);
}

/** CDRs and registrations of several nodes are compared by their clocks. */
export const clockTone = (off: number | null | undefined): Tone => (off === null || off === undefined ? 'default' : from(Math.abs(off), 50, 1_000));

export function clockText(off: number | null | undefined): string {
  if (off === null || off === undefined) return 'not known';
  return `${fixed(Math.abs(off), Math.abs(off) < 10 ? 2 : 0)} ms ${off < 0 ? 'behind' : 'ahead'}`;
}

/** Programs of a node that does calls that do not run. */
export function missing(machine: Machine): string[] {
  return ['dataplane', 'controlplane'].filter((name) => machine.programs.every((program) => program.name !== name));
}
