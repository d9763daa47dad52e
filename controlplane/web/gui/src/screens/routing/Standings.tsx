/** How well trunks and the routes of a plan do at this moment. */
import { Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { Defined, State, When } from '../../common/Fact';
import { fixed, NONE, percent } from '../../common/format';
import { Panel, Trouble } from '../../common/Panel';

type Told = Schemas['Standings'];

const TABLE = { '& td, & th': { whiteSpace: 'nowrap' }, '& tr:last-child td': { borderBottom: 0 } } as const;
const TONE = { open: 'success', unreachable: 'error', throttled: 'error', resting: 'error', testing: 'warning' } as const;

function Last({ calls }: { calls: Told['trunks'][number]['last_calls'] }) {
  return (
    <>
      <TableCell align="right">{calls?.calls ?? NONE}</TableCell>
      <TableCell align="right">{percent(calls?.asr_percent)}</TableCell>
      <TableCell align="right">{percent(calls?.ner_percent)}</TableCell>
      <TableCell align="right">{calls ? `${calls.acd_s} s` : NONE}</TableCell>
      <TableCell align="right">{percent(calls?.short_percent)}</TableCell>
      <TableCell align="right">{calls ? `${calls.pdd_ms} ms` : NONE}</TableCell>
      <TableCell align="right">{fixed(calls?.mos, 2)}</TableCell>
    </>
  );
}

const LAST = ['Calls', 'ASR', 'NER', 'ACD', 'Short', 'PDD', 'MOS'].map((name) => <TableCell key={name} align="right">{name}</TableCell>);

function Trunks({ rows }: { rows: Told['trunks'] }) {
  return (
    <Table size="small" sx={TABLE}>
      <TableHead><TableRow><TableCell>Egress trunk</TableCell><TableCell>State</TableCell><TableCell>Since</TableCell>{LAST}<TableCell>Why</TableCell></TableRow></TableHead>
      <TableBody>
        {rows.map((row) => (
          <TableRow key={row.egress_trunk.id} data-standing={row.egress_trunk.code}>
            <TableCell>{row.egress_trunk.code}</TableCell>
            <TableCell><State tone={TONE[row.state]}>{row.state}</State></TableCell>
            <TableCell><When at={row.since} /></TableCell>
            <Last calls={row.last_calls} />
            <TableCell>{row.reason}</TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

function Routes({ rows }: { rows: Told['routes'] }) {
  return (
    <Table size="small" sx={TABLE}>
      <TableHead><TableRow><TableCell>Egress trunk</TableCell><TableCell align="right"><Defined figure="qualityIndex">Index</Defined></TableCell>{LAST}</TableRow></TableHead>
      <TableBody>
        {rows.map((row) => (
          <TableRow key={row.egress_trunk.id}>
            <TableCell>{row.egress_trunk.code}</TableCell>
            <TableCell align="right">{fixed(row.index, 2)}</TableCell>
            <Last calls={row.last_calls} />
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

/** The panels: of these trunks that are watched, and of the plan's routes if it goes by quality. Nothing where nothing is watched. */
export function Standings({ trunks, plan }: { trunks: string[]; plan?: string }) {
  const told = useQuery({ queryKey: ['standings'], queryFn: () => body(api.GET('/api/v1/standings')), refetchInterval: 2_000 });
  const watched = (told.data?.trunks ?? []).filter((row) => trunks.includes(row.egress_trunk.id));
  const routes = (told.data?.routes ?? []).filter((row) => row.plan.id === plan);
  return (
    <>
      <Trouble error={told.error} />
      {watched.length > 0 && <Panel title="Standing of trunks" note="the last calls of those with floors, a throttle or probes" flush><Trunks rows={watched} /></Panel>}
      {routes.length > 0 && <Panel title="Quality of routes" note="the last calls by this plan" flush><Routes rows={routes} /></Panel>}
    </>
  );
}
