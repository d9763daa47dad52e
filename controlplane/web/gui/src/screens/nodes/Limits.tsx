/** Limits of calls with what is taken of them this moment: all of them, or those of one carrier. */
import { useState } from 'react';
import { Button, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import type { Carrier } from '../../api/objects';
import { NewDialog } from '../../common/Change';
import type { Field } from '../../common/Form';
import { count, NONE } from '../../common/format';
import { Empty, Panel, Trouble } from '../../common/Panel';
import { May } from '../../common/May';

type Limit = Schemas['Limit'];

const TABLE = { '& td, & th': { whiteSpace: 'nowrap' }, '& tr:last-child td': { borderBottom: 0 } } as const;

const WORDS: Record<Limit['kind'], string> = {
  switch: 'whole switch, calls in',
  originator: 'carrier, calls in',
  terminator: 'carrier, calls out',
  carrier: 'carrier, both ways',
  share: 'carrier, for one originator',
  ingress_trunk: 'ingress trunk',
  egress_trunk: 'egress trunk',
};

const SWITCH_FIELDS: Field[] = [
  { name: 'capacity', label: 'Capacity', kind: 'number', help: 'Calls at once that all nodes take in together, whoever sends them (cause 302); 0 for no limit. Nodes that do not know each other by etcd take so many each' },
  { name: 'cps', label: 'CPS', kind: 'number', help: 'New calls a second that all nodes take in together (cause 341); 0 for no limit' },
  { name: 'cps_window_s', label: 'CPS window, seconds', kind: 'number', help: 'A burst may fill the whole window: 1 to 60; 0 for 1' },
];

/** Whose a limit is. */
export function nameOf(limit: Limit): string {
  const trunk = limit.ingress_trunk ?? limit.egress_trunk;
  if (limit.originator) return `${limit.originator.code} at ${limit.carrier?.code ?? ''}`;
  return trunk?.code ?? limit.carrier?.code ?? '';
}

/** What is taken, of what: `3 of 10`, or `3` without a limit. */
export function taken(now: number, most: number): string {
  return most === 0 ? count(now) : `${count(now)} of ${count(most)}`;
}

/** What each node has of a limit to itself: `1: 5 · 2: 7`, or with new calls `1: 5 / 20`. */
export function parts(limit: Limit): string {
  const part = ({ node, calls, recent }: Limit['nodes'][number]) => {
    const both = limit.capacity > 0 && limit.cps > 0;
    return `${node}: ${both ? `${count(calls)} / ${count(recent)}` : count(limit.capacity > 0 ? calls : recent)}`;
  };
  return limit.nodes.map(part).join(' · ') || NONE;
}

function Rows({ rows }: { rows: Limit[] }) {
  const shared = rows.some((limit) => limit.nodes.length > 0);
  return (
    <Table size="small" sx={TABLE}>
      <TableHead><TableRow><TableCell>Of</TableCell><TableCell>Name</TableCell><TableCell align="right" title="Calls that hold room, and how many may">Calls</TableCell><TableCell align="right" title="New calls within the window, and how many may">New calls</TableCell><TableCell align="right">Window</TableCell>{shared && <TableCell title="How much of the limit each node has to itself: calls / new calls. It moves to where calls need it; what a dead node had comes back after ten seconds">Nodes</TableCell>}</TableRow></TableHead>
      <TableBody>
        {rows.map((limit) => {
          const full = limit.capacity > 0 && limit.calls >= limit.capacity;
          return (
            <TableRow key={`${limit.kind} ${nameOf(limit)}`}>
              <TableCell>{WORDS[limit.kind]}</TableCell>
              <TableCell>{nameOf(limit) || NONE}</TableCell>
              <TableCell align="right" sx={{ color: full ? 'error.main' : undefined, fontWeight: full ? 600 : undefined }}>{taken(limit.calls, limit.capacity)}</TableCell>
              <TableCell align="right">{limit.cps === 0 ? NONE : taken(limit.recent, limit.cps * limit.cps_window_s)}</TableCell>
              <TableCell align="right">{limit.cps === 0 ? NONE : `${limit.cps_window_s} s`}</TableCell>
              {shared && <TableCell>{parts(limit)}</TableCell>}
            </TableRow>
          );
        })}
      </TableBody>
    </Table>
  );
}

function useLimits() {
  return useQuery({ queryKey: ['limits'], queryFn: () => body(api.GET('/api/v1/limits')), refetchInterval: 2_000 });
}

/** All limits, with a form for those of the switch. */
export function Limits() {
  const limits = useLimits();
  const own = useQuery({ queryKey: ['limits-switch'], queryFn: () => body(api.GET('/api/v1/limits/switch')) });
  const [open, setOpen] = useState(false);
  const rows = limits.data?.data ?? [];
  return (
    <Panel title="Limits" note="what calls hold this moment" flush tools={<May to="write"><Button disabled={!own.data} onClick={() => setOpen(true)}>Limits of the switch</Button></May>}>
      <Trouble error={limits.error} />
      {limits.data && rows.length === 0 && <Empty title="Nothing is limited, and no call is up">Limits stand on trunks, on carriers and on the whole switch.</Empty>}
      {rows.length > 0 && <Rows rows={rows} />}
      {open && own.data && (
        <NewDialog title="Limits of the switch" verb="Save" fields={SWITCH_FIELDS} start={{ ...own.data }} onClose={() => setOpen(false)}
          send={(values) => body(api.PUT('/api/v1/limits/switch', { body: values as Schemas['SwitchLimits'] }))} />
      )}
    </Panel>
  );
}

/** What the calls of one carrier hold; trunks show theirs in their own tables. */
export function LimitsOfCarrier({ carrier }: { carrier: Carrier }) {
  const limits = useLimits();
  const rows = (limits.data?.data ?? []).filter((limit) => limit.carrier?.id === carrier.id || limit.originator?.id === carrier.id);
  return (
    <Panel title="Limits" note="over all its trunks, this moment" flush>
      <Trouble error={limits.error} />
      {limits.data && rows.length === 0 && <Empty title="No limit and no call">Edit the carrier to limit its calls over all its trunks.</Empty>}
      {rows.length > 0 && <Rows rows={rows} />}
    </Panel>
  );
}
