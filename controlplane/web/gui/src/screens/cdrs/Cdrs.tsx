/** CDR search: a time window, filters, and pages by cursor. Nothing is counted, so nothing waits. */
import { useMemo, useState } from 'react';
import { Box, Button, MenuItem, TextField, ToggleButton, ToggleButtonGroup, Tooltip, Typography } from '@mui/material';
import Refresh from '@mui/icons-material/RefreshOutlined';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useLocation } from 'wouter';
import { api, body, type Schemas } from '../../api/http';
import { choices, useCarriers } from '../../api/objects';
import { State, When } from '../../common/Fact';
import { ChoiceFilter, Scopes, TextFilter } from '../../common/Filters';
import { count, decimal, NONE, signOf, span, talk, zoneName } from '../../common/format';
import { definitions } from '../../common/definitions';
import { figures, Grid, PAGE_ROWS, type Column } from '../../common/Grid';
import { Empty, Head, Panel, Trouble } from '../../common/Panel';
import { useZone } from '../../common/place';
import { figureIn, numberIn, timeWindow, useFilters, WINDOWS } from '../../common/url';
import { classOf } from '../rates/calendar';
import { foundBy } from './told';

type Cdr = Schemas['Cdr'];

const SCOPES: { name: string; query: Record<string, string> }[] = [
  { name: 'all', query: {} },
  { name: 'answered', query: { answered: 'true' } },
  { name: 'not answered', query: { answered: 'false' } },
  { name: 'busy', query: { cause: '17' } },
  { name: 'no circuit', query: { cause: '34' } },
  { name: 'no terminator', query: { cause: '310' } },
  { name: 'released by us', query: { cause: '403' } },
  { name: 'identity wrong', query: { identity: 'failed' } },
];

const IDENTITIES: Cdr['identity'][] = ['no', 'missing', 'passed', 'failed', 'unknown', 'signed', 'relayed', 'unsigned'];

const PARTY: Record<string, string> = { ingress: 'orig', egress: 'term', switch: 'switch' };

function statusTone(status: number) {
  if (status >= 200 && status < 300) return 'success';
  return status >= 500 ? 'error' : 'warning';
}

const where: Column<Cdr> = { field: 'jurisdiction', headerName: 'Where', description: definitions.jurisdiction, width: 78, sortable: false, narrow: false, renderCell: ({ row }) => <span title={row.lrn ? `routing number ${row.lrn}` : undefined}>{row.jurisdiction === 'any' ? NONE : row.jurisdiction}</span> };

const recorded: Column<Cdr> = { field: 'recorded', headerName: 'Recorded', description: definitions.recorded, width: 76, sortable: false, narrow: false, spare: true, valueGetter: (_, row) => (row.recorded === 'no' ? NONE : row.recorded) };

const identity: Column<Cdr> = { field: 'identity', headerName: 'Identity', description: definitions.identity, width: 76, sortable: false, narrow: false, spare: true, valueGetter: (_, row) => (row.identity === 'no' ? NONE : `${row.identity}${row.attestation ? ` ${row.attestation}` : ''}`) };

/** `vouches`: some call came or went with a signed identity; `states`: some call was judged by states, so where each went is worth a column; `records`: some call was to be recorded. */
function columns(zone: string, attempts: boolean, states: boolean, records: boolean, vouches: boolean): Column<Cdr>[] {
  return [
    { field: 'started_at', headerName: `Time (${zone})`, width: 112, sortable: false, renderCell: ({ row }) => <When at={row.started_at} part="day" /> },
    { field: 'duration_ms', headerName: 'Duration', description: definitions.duration, width: 68, ...figures, renderCell: ({ row }) => talk(row.duration_ms) },
    { field: 'billed', headerName: 'Billed', description: definitions.billed, width: 56, ...figures, narrow: false, renderCell: ({ row }) => (row.sell ?? row.buy ? `${count((row.sell ?? row.buy)?.billed_s)} s` : NONE) },
    { field: 'calling', headerName: 'From', width: 112, sortable: false, narrow: false },
    { field: 'called_routed', headerName: 'To', width: 112, sortable: false },
    { field: 'originator', headerName: 'Originator', flex: 1, minWidth: 72, sortable: false, valueGetter: (_, row) => row.originator?.code ?? NONE },
    { field: 'terminator', headerName: 'Terminator', flex: 1, minWidth: 72, sortable: false, valueGetter: (_, row) => row.terminator?.code ?? NONE },
    { field: 'attempts', headerName: attempts ? 'Try' : 'Tries', description: definitions.attempts, width: 46, ...figures, narrow: false, valueGetter: (_, row) => (attempts ? row.attempt : row.attempts) },
    { field: 'sip_status', headerName: 'SIP', width: 58, sortable: false, renderCell: ({ row }) => (row.sip_status === 0 ? NONE : <State tone={statusTone(row.sip_status)}>{row.sip_status}</State>) },
    { field: 'cause', headerName: 'Cause', description: definitions.cause, flex: 1.4, minWidth: 116, sortable: false, renderCell: ({ row }) => <span title={`${row.cause} ${row.cause_text}`}>{row.cause} {row.cause_text}</span> },
    { field: 'released_by', headerName: 'Who', description: definitions.releasedBy, width: 56, sortable: false, narrow: false, valueGetter: (_, row) => PARTY[row.released_by] ?? row.released_by },
    { field: 'pdd_ms', headerName: 'PDD', description: definitions.pdd, width: 66, ...figures, narrow: false, renderCell: ({ row }) => span(row.pdd_ms) },
    { field: 'sell', headerName: 'Sell', description: definitions.revenue, width: 78, ...figures, renderCell: ({ row }) => <span title={row.sell ? `rate of ${row.sell.prefix_digits} digits ${classOf(row.sell)}`.trim() : undefined}>{decimal(row.sell?.price, 4)}</span> },
    ...(states ? [where] : []),
    ...(records ? [recorded] : []),
    ...(vouches ? [identity] : []),
    { field: 'buy', headerName: 'Cost', description: definitions.cost, width: 78, ...figures, narrow: false, renderCell: ({ row }) => decimal(row.buy?.price, 4) },
    {
      field: 'margin', headerName: 'Margin', description: definitions.margin, width: 78, ...figures, narrow: false,
      renderCell: ({ row }) => <Box component="span" sx={{ color: signOf(row.margin) < 0 ? 'error.main' : undefined }}>{decimal(row.margin, 4)}</Box>,
    },
  ];
}

/** What the API is asked, from the URL. */
export function filterOf(query: URLSearchParams) {
  const text = (key: string) => query.get(key) ?? undefined;
  const answered = query.get('answered');
  return {
    kind: query.get('kind') === 'attempt' ? ('attempt' as const) : undefined,
    calling: numberIn(query, 'calling'), called: numberIn(query, 'called'), exact: query.get('exact') === 'true' ? true : undefined, digits: query.get('digits')?.replace(/[\s().+-]/g, '') || undefined, originator: text('originator'), terminator: text('terminator'),
    ingress_trunk: text('ingress_trunk'), egress_trunk: text('egress_trunk'), cause: figureIn(query, 'cause'), sip_status: figureIn(query, 'sip_status'),
    identity: IDENTITIES.find((known) => known === query.get('identity')),
    answered: answered === 'true' ? true : answered === 'false' ? false : undefined, sip_call_id: text('sip_call_id'),
    cursor: text('cursor'),
  };
}

function WindowFilter() {
  const [query, set] = useFilters();
  const fixedWindow = query.get('from') !== null && query.get('till') !== null;
  return (
    <TextField
      select
      label="Window"
      value={fixedWindow ? 'fixed' : (query.get('window') ?? '1h')}
      onChange={(event) => set({ window: event.target.value === '1h' ? '' : event.target.value, from: '', till: '', cursor: '' })}
      sx={{ width: 118 }}
    >
      {fixedWindow && <MenuItem value="fixed">fixed</MenuItem>}
      {Object.keys(WINDOWS).map((name) => <MenuItem key={name} value={name}>last {name}</MenuItem>)}
    </TextField>
  );
}

function Pages({ next, from, till }: { next: string | null | undefined; from: string; till: string }) {
  const [query, set] = useFilters();
  return (
    <Box sx={{ display: 'flex', gap: 1, alignItems: 'center' }}>
      {query.get('cursor') && <Button onClick={() => set({ cursor: '', from: '', till: '' }, true)}>« newest</Button>}
      <Button variant="outlined" disabled={!next} onClick={() => next && set({ cursor: next, from, till }, true)}>older →</Button>
    </Box>
  );
}

/** Asks for all CDRs of the window as a file: a job, since that may take long. */
function Export({ filter }: { filter: NonNullable<Parameters<typeof ask>[0]> }) {
  const [, go] = useLocation();
  const [error, setError] = useState<unknown>(null);
  return (
    <>
      <Trouble error={error} />
      <Tooltip title="All CDRs of this window that fit the filters, as a compressed CSV file. It is written in the background; the file waits under System → Jobs.">
        <Button onClick={() => ask(filter).then(() => go('/system?tab=jobs'), setError)}>Export</Button>
      </Tooltip>
    </>
  );
}

function ask(query: ReturnType<typeof filterOf> & { from: string; till: string }) {
  return body(api.POST('/api/v1/cdrs:export', { params: { query } }));
}

/** The screen. */
export default function Cdrs() {
  const [query, set] = useFilters();
  const [, go] = useLocation();
  const [now, setNow] = useState(() => Date.now());
  const zone = useZone();
  const carriers = useCarriers();
  const { from, till } = useMemo(() => timeWindow(query, now), [query, now]);
  const filter = filterOf(query);
  const attempts = filter.kind === 'attempt';
  const cdrs = useQuery({
    queryKey: ['cdrs', from, till, filter],
    queryFn: () => body(api.GET('/api/v1/cdrs', { params: { query: { ...filter, from, till, limit: PAGE_ROWS } } })),
    placeholderData: keepPreviousData,
  });
  const rows = cdrs.data?.data ?? [];
  const states = rows.some((row) => row.jurisdiction !== 'any' && row.jurisdiction !== 'international');
  const records = rows.some((row) => row.recorded !== 'no');
  const vouches = rows.some((row) => row.identity !== 'no');
  const shown = useMemo(() => columns(zoneName(zone), attempts, states, records, vouches), [zone, attempts, states, records, vouches]);
  const again = () => setNow(Date.now());
  return (
    <>
      <Head title="CDRs" note={<><When at={from} part="minute" /> to <When at={till} part="minute" /> {zoneName(zone)}</>}>
        <ToggleButtonGroup exclusive size="small" value={attempts ? 'attempt' : 'call'} onChange={(_, next: string | null) => next && set({ kind: next === 'call' ? '' : next, cursor: '' })} aria-label="Rows" sx={{ '& button': { px: 1.25, py: 0.2, textTransform: 'none', fontSize: '0.74rem' } }}>
          <ToggleButton value="call">Calls</ToggleButton>
          <ToggleButton value="attempt">Attempts</ToggleButton>
        </ToggleButtonGroup>
        <Export filter={{ ...filter, cursor: undefined, from, till }} />
        <Button startIcon={<Refresh />} onClick={again}>Refresh</Button>
        <Pages next={cdrs.data?.next_cursor} from={from} till={till} />
      </Head>
      <Box sx={{ display: 'flex', flexWrap: 'wrap', gap: 1, mb: 1 }}>
        <WindowFilter />
        <TextFilter name="called" label={filter.exact ? 'To (whole number)' : 'To (prefix)'} width={130} />
        <TextFilter name="calling" label={filter.exact ? 'From (whole number)' : 'From (prefix)'} width={130} />
        <Tooltip title="Off: numbers that begin with these digits. On: only these numbers.">
          <ToggleButton value="exact" size="small" selected={filter.exact === true} onChange={() => set({ exact: filter.exact ? '' : 'true', cursor: '' })} sx={{ textTransform: 'none', fontSize: '0.74rem' }}>whole</ToggleButton>
        </Tooltip>
        <Tooltip title="Digits that stand anywhere in the caller's number or in the destination. Without a search engine in windows of an hour at most.">
          <Box component="span"><TextFilter name="digits" label="Digits anywhere" width={130} /></Box>
        </Tooltip>
        <ChoiceFilter name="originator" label="Originator" choices={choices(carriers.data)} />
        <ChoiceFilter name="terminator" label="Terminator" choices={choices(carriers.data)} />
        <TextFilter name="sip_status" label="SIP status" width={100} />
        <TextFilter name="cause" label="Cause" width={90} />
        <TextFilter name="sip_call_id" label="Call-ID" width={130} />
      </Box>
      <Box sx={{ display: 'flex', flexWrap: 'wrap', gap: 0.75, mb: 1.5 }}><Scopes scopes={SCOPES} /></Box>
      <Trouble error={cdrs.error} retry={() => void cdrs.refetch()} />
      <Panel flush sx={{ opacity: cdrs.isPlaceholderData ? 0.6 : 1 }}>
        <Grid
          name="cdrs"
          above={262}
          rows={rows}
          getRowId={(row) => `${row.call}/${row.attempt}`}
          columns={shown}
          loading={cdrs.isPending && !cdrs.error}
          onOpen={(row) => go(`/cdrs/${row.call}`)}
          empty={!cdrs.error && <Empty title="No CDR in this window fits">A CDR appears within a few seconds of its call's end. Choose a longer window or fewer filters.</Empty>}
        />
      </Panel>
      <Box sx={{ display: 'flex', alignItems: 'center', mt: 1 }}>
        <Typography variant="caption" component="p" sx={{ color: 'text.secondary', m: 0, flex: 1 }}>
          {count(rows.length)} {attempts ? 'attempts' : 'calls'}, newest first{cdrs.data?.next_cursor ? '; there are older ones' : ''}.{cdrs.data && ` ${foundBy(cdrs.data)}`}
        </Typography>
        <Pages next={cdrs.data?.next_cursor} from={from} till={till} />
      </Box>
    </>
  );
}
