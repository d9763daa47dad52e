/** How the nodes' machines do: a row a node. */
import { Box, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { Link } from 'wouter';
import type { Schemas } from '../api/http';
import { Defined, State } from './Fact';
import { age, bytes, fixed, NONE, percent } from './format';
import { clockText, clockTone, diskTone, loadTone, memoryTone, missing, shardTone } from './machine';

type Row = Schemas['NodeMachine'];
type Seen = Schemas['Machine'];

/** Each shard's share of its core; what waited for one in the title. */
export function ShardLoads({ shards }: { shards: Seen['shards'] }) {
  if (shards.length === 0) return <>{NONE}</>;
  return (
    <Box component="span" sx={{ display: 'inline-flex', flexWrap: 'wrap', gap: 0.5 }}>
      {shards.map((load) => (
        <span key={load.shard} title={`shard ${load.shard}: had work and got no core for ${percent(load.wait_percent)} of the time`}>
          <State tone={shardTone(load)}>{load.shard}: {percent(load.cpu_percent)}</State>
        </span>
      ))}
    </Box>
  );
}

function Disks({ disks }: { disks: Seen['disks'] }) {
  return (
    <>
      {disks.map((disk) => (
        <div key={disk.holds}><State tone={diskTone(disk.used_percent)}>{disk.used_percent} %</State> {disk.holds}, {bytes(disk.free_bytes)} free</div>
      ))}
    </>
  );
}

/** How long machine and programs run; a program that does not is missing. */
function Uptime({ machine }: { machine: Seen }) {
  return (
    <>
      <div>{age(machine.uptime_s * 1000)}</div>
      {machine.programs.map((program) => <div key={program.name}>{program.name} {age(program.uptime_s * 1000)}, {bytes(program.memory_bytes)}</div>)}
      {missing(machine).map((name) => <div key={name}><State tone="warning">no {name}</State></div>)}
    </>
  );
}

export function Machines({ rows }: { rows: Row[] }) {
  return (
    <Table size="small" sx={{ '& td': { verticalAlign: 'top' }, '& td, & th': { whiteSpace: 'nowrap' }, '& tr:last-child td': { borderBottom: 0 } }}>
      <TableHead>
        <TableRow>
          <TableCell>Node</TableCell>
          <TableCell><Defined figure="machineLoad">Load</Defined></TableCell>
          <TableCell><Defined figure="machineCpu">Cores</Defined></TableCell>
          <TableCell><Defined figure="shardCpu">Shards</Defined></TableCell>
          <TableCell><Defined figure="machineMemory">Memory free</Defined></TableCell>
          <TableCell><Defined figure="machineDisk">Disks</Defined></TableCell>
          <TableCell><Defined figure="machineUptime">Up for</Defined></TableCell>
          <TableCell><Defined figure="machineClock">Clock</Defined></TableCell>
        </TableRow>
      </TableHead>
      <TableBody>
        {rows.map(({ node, machine }) => (
          <TableRow key={node} data-machine={node}>
            <TableCell><Link href="/nodes">{node}</Link></TableCell>
            <TableCell><State tone={loadTone(machine)}>{fixed(machine.load[0], 2)}</State> {fixed(machine.load[1], 2)} {fixed(machine.load[2], 2)}</TableCell>
            <TableCell>{percent(machine.cpu_percent)} of {machine.cores}{(machine.stolen_percent ?? 0) > 0 && <div>{percent(machine.stolen_percent)} given to others by the host</div>}</TableCell>
            <TableCell sx={{ whiteSpace: 'normal !important' }}><ShardLoads shards={machine.shards} /></TableCell>
            <TableCell><State tone={memoryTone(machine)}>{bytes(machine.memory_free_bytes)}</State> of {bytes(machine.memory_bytes)}</TableCell>
            <TableCell><Disks disks={machine.disks} /></TableCell>
            <TableCell><Uptime machine={machine} /></TableCell>
            <TableCell><State tone={clockTone(machine.clock_off_ms)}>{clockText(machine.clock_off_ms)}</State></TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}
