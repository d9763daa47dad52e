/** Running calls, once a second. The rows are a window on the oldest calls, not the whole table. */
import { memo, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { Box, Button, Tooltip, Typography } from '@mui/material';
import Pause from '@mui/icons-material/PauseOutlined';
import Play from '@mui/icons-material/PlayArrowOutlined';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useLocation } from 'wouter';
import { api, body, type Schemas } from '../../api/http';
import { choices, useCarriers } from '../../api/objects';
import { useLive } from '../../api/live';
import { State } from '../../common/Fact';
import { ChoiceFilter, TextFilter } from '../../common/Filters';
import { Confirm } from '../../common/Form';
import { count, decimal, fixed, NONE, talk } from '../../common/format';
import { figures, Grid, PAGE_ROWS, type Column } from '../../common/Grid';
import { Empty, Head, Panel, Trouble } from '../../common/Panel';
import { definitions } from '../../common/definitions';
import { useFilters } from '../../common/url';
import { useMay } from '../../common/May';
import { paceOf } from './pace';

type Call = Schemas['Call'];

const STATES = ['admitting', 'routing', 'trying', 'ringing', 'answering', 'up', 'releasing'] as const;

function tone(state: string) {
  if (state === 'up') return 'success';
  return state === 'ringing' || state === 'answering' ? 'info' : 'default';
}

type Act = 'capture' | 'record' | 'release';

/** A button of a row; drawn once, however often the row's figures change. */
const Tool = memo(function Tool({ id, act, text, onAct }: { id: string; act: Act; text: string; onAct: (act: Act, id: string) => void }) {
  return <Button disableRipple color={act === 'release' ? 'error' : 'primary'} sx={{ py: 0, minWidth: 0 }} onClick={(event) => { event.stopPropagation(); onAct(act, id); }}>{text}</Button>;
});

/** The word over the buttons is for who hears the page. */
const UNSEEN = { position: 'absolute', width: '1px', height: '1px', overflow: 'hidden', clipPath: 'inset(50%)' } as const;
const TOOL = { sortable: false, hideable: false, align: 'right', renderHeader: ({ colDef }: { colDef: { headerName?: string } }) => <span style={UNSEEN}>{colDef.headerName}</span> } as const;

function tools(may: Record<Act, boolean>, onAct: (act: Act, id: string) => void): Column<Call>[] {
  const all: (Column<Call> & { field: Act })[] = [
    { field: 'capture', headerName: 'Capture', width: 76, ...TOOL, narrow: false, renderCell: ({ row }) => <Tool id={row.id} act="capture" text="Capture" onAct={onAct} /> },
    { field: 'record', headerName: 'Record', width: 66, ...TOOL, narrow: false, renderCell: ({ row }) => <Tool id={row.id} act="record" text={isRecorded(row) ? 'Stop' : 'Record'} onAct={onAct} /> },
    { field: 'release', headerName: 'Release', width: 76, ...TOOL, renderCell: ({ row }) => <Tool id={row.id} act="release" text="Release" onAct={onAct} /> },
  ];
  return all.filter(({ field }) => may[field]);
}

const COLUMNS: Column<Call>[] = [
  { field: 'age_ms', headerName: 'Age', width: 62, ...figures, renderCell: ({ row }) => talk(row.age_ms) },
  { field: 'state', headerName: 'State', width: 88, sortable: false, renderCell: ({ row }) => <State tone={tone(row.state)}>{row.state}</State> },
  { field: 'talking_ms', headerName: 'Talking', description: definitions.duration, width: 70, ...figures, narrow: false, renderCell: ({ row }) => talk(row.talking_ms) },
  { field: 'originator', headerName: 'Originator', flex: 1, minWidth: 84, sortable: false, valueGetter: (_, row) => row.originator.code },
  { field: 'calling', headerName: 'From', width: 112, sortable: false, narrow: false },
  { field: 'called', headerName: 'To', width: 112, sortable: false },
  { field: 'terminator', headerName: 'Terminator', flex: 1, minWidth: 84, sortable: false, valueGetter: (_, row) => row.terminator?.code ?? NONE },
  { field: 'egress_trunk', headerName: 'Egress trunk', flex: 1, minWidth: 84, sortable: false, narrow: false, valueGetter: (_, row) => row.egress_trunk?.code ?? NONE },
  { field: 'attempt', headerName: 'Try', description: definitions.attempts, width: 48, ...figures, narrow: false },
  { field: 'sell_per_minute', headerName: 'Sell/min', description: definitions.sellPerMinute, width: 76, ...figures, narrow: false, renderCell: ({ row }) => decimal(row.sell_per_minute, 4) },
  { field: 'buy_per_minute', headerName: 'Buy/min', description: definitions.buyPerMinute, width: 76, ...figures, narrow: false, renderCell: ({ row }) => (row.attempt === 0 ? NONE : decimal(row.buy_per_minute, 4)) },
  { field: 'codec', headerName: 'Codec', width: 98, sortable: false, narrow: false, spare: true, valueGetter: (_, row) => row.codec || NONE },
  { field: 'mos', headerName: 'MOS', description: definitions.mos, width: 84, sortable: false, align: 'right', headerAlign: 'right', narrow: false, valueGetter: (_, row) => `${fixed(row.ingress_media.mos, 2)} ${fixed(row.egress_media.mos, 2)}` },
  { field: 'media_path', headerName: 'Relayed by', description: definitions.mediaPath, width: 92, sortable: false, narrow: false, spare: true, valueGetter: (_, row) => [row.media_path || NONE, ...row.stays].join(' ') },
  { field: 'suite', headerName: 'Encryption', description: definitions.suite, width: 120, sortable: false, narrow: false, spare: true, valueGetter: (_, row) => (row.ingress_media.suite || row.egress_media.suite ? `${row.ingress_media.suite ?? NONE} / ${row.egress_media.suite ?? NONE}` : NONE) },
  { field: 'shard', headerName: 'Shard', width: 56, ...figures, narrow: false, spare: true },
];

/** Text over all that a row shows as text. */
function fits(call: Call, q: string): boolean {
  const text = [call.id, call.calling, call.called, call.originator.code, call.terminator?.code, call.ingress_trunk.code, call.egress_trunk?.code].join(' ').toLowerCase();
  return text.includes(q.toLowerCase());
}

function ReleaseCall({ call, onClose }: { call: Call; onClose: () => void }) {
  return (
    <Confirm
      title="Release this call?"
      verb="Release"
      onClose={onClose}
      onSend={() => body(api.DELETE('/api/v1/calls/{id}', { params: { path: { id: call.id } } }))}
    >
      {call.calling || 'anonymous'} → <b>{call.called}</b>, {call.originator.code} → {call.terminator?.code ?? 'no terminator yet'}, {call.talking_ms == null ? `${call.state} for ${talk(call.age_ms)}` : `talking for ${talk(call.talking_ms)}`}.
      Both sides get a BYE (or the setup is cancelled); the CDR says cause 403, released by an operator.
    </Confirm>
  );
}

function isRecorded(call: Call): boolean {
  return call.stays.includes('record');
}

function RecordCall({ call, onClose }: { call: Call; onClose: () => void }) {
  const on = !isRecorded(call);
  return (
    <Confirm
      title={on ? 'Record this call?' : 'End this recording?'}
      verb={on ? 'Record' : 'End'}
      onClose={onClose}
      onSend={() => body(api.POST('/api/v1/calls/{id}/record', { params: { path: { id: call.id } }, body: { on } }))}
    >
      {call.calling || 'anonymous'} → <b>{call.called}</b>: {on ? 'from here on what both sides say goes to a file, to be heard on the call\u2019s page' : 'what is said from here on is not recorded'};
      {' '}who asked for it is written down.
    </Confirm>
  );
}

function CaptureCall({ call, onClose }: { call: Call; onClose: () => void }) {
  return (
    <Confirm
      title="Capture this call?"
      verb="Capture"
      onClose={onClose}
      onSend={() => body(api.POST('/api/v1/calls/{id}/capture', { params: { path: { id: call.id } }, body: { what: 'full' } }))}
    >
      {call.calling || 'anonymous'} → <b>{call.called}</b>: from here on every packet of both sides goes to a file, with the messages so far.
      The file can be opened from the call's page (“Open capture”) and holds the voice as well; who captured it is written down.
    </Confirm>
  );
}

/** How often the rows are asked for, by how long the last ones took from their arrival, at `at`, to the screen. */
function usePace(at: number): number {
  const [pace, setPace] = useState(1);
  useEffect(() => {
    if (at === 0) return undefined;
    let timer = 0;
    const frame = requestAnimationFrame(() => (timer = window.setTimeout(() => setPace(paceOf(Date.now() - at)))));
    return () => {
      cancelAnimationFrame(frame);
      window.clearTimeout(timer);
    };
  }, [at]);
  return pace;
}

/** What is to be done to a call is asked first. */
function Asked({ act, call, onClose }: { act: Act; call: Call; onClose: () => void }) {
  if (act === 'capture') return <CaptureCall call={call} onClose={onClose} />;
  return act === 'record' ? <RecordCall call={call} onClose={onClose} /> : <ReleaseCall call={call} onClose={onClose} />;
}

/** How many calls there are, once a second; apart, so that the rows are not drawn for it. */
function Running() {
  return <b>{count(useLive().last?.calls)}</b>;
}

/** Says that there are more calls than rows. */
function Beyond() {
  if ((useLive().last?.calls ?? 0) <= PAGE_ROWS) return null;
  return <Tooltip title="Choose a carrier or a state to see others."><span>The table holds {PAGE_ROWS} at most.</span></Tooltip>;
}

const Rows = memo(function Rows({ rows, columns, waiting, filtered, onOpen }: { rows: Call[]; columns: Column<Call>[]; waiting: boolean; filtered: boolean; onOpen: (call: Call) => void }) {
  return (
    <Grid
      name="calls"
      rows={rows}
      columns={columns}
      loading={waiting}
      onOpen={onOpen}
      empty={filtered
        ? <Empty title="No running call fits the filter">Calls end quickly; the CDRs have those that did.</Empty>
        : <Empty title="No call is running">As soon as an originator sends an INVITE, its call appears here within a second.</Empty>}
    />
  );
});

/** The columns, with the buttons that the user may press. */
function useColumns(onAct: (act: Act, id: string) => void): Column<Call>[] {
  const may = useMay();
  const [capture, record, release] = [may('calls:open'), may('recordings'), may('calls:release')];
  return useMemo(() => [...COLUMNS, ...tools({ capture, record, release }, onAct)], [capture, record, release, onAct]);
}

/** The screen. */
export default function Calls() {
  const [query] = useFilters();
  const [, go] = useLocation();
  const [paused, setPaused] = useState(false);
  const [doing, setDoing] = useState<{ act: Act; call: Call } | null>(null);
  const carriers = useCarriers();
  const filter = { originator: query.get('originator') ?? undefined, terminator: query.get('terminator') ?? undefined, state: STATES.find((state) => state === query.get('state')) };
  const pace = useRef(1);
  const calls = useQuery({
    queryKey: ['calls', filter],
    queryFn: () => body(api.GET('/api/v1/calls', { params: { query: { ...filter, limit: PAGE_ROWS } } })),
    refetchInterval: () => !paused && 1_000 * pace.current,
    placeholderData: keepPreviousData,
  });
  pace.current = usePace(calls.dataUpdatedAt);
  const q = query.get('q') ?? '';
  const rows = useMemo(() => (calls.data?.data ?? []).filter((call) => q === '' || fits(call, q)), [calls.data, q]);
  const latest = useRef(rows);
  useEffect(() => {
    latest.current = rows;
  }, [rows]);
  const columns = useColumns(useCallback((act: Act, id: string) => {
    const call = latest.current.find((row) => row.id === id);
    if (call) setDoing({ act, call });
  }, []));
  const open = useCallback((call: Call) => go(`/cdrs/${call.id}`), [go]);
  const every = pace.current === 1 ? 'every second' : `every ${pace.current} seconds: this browser is busy`;
  return (
    <>
      <Head title="Active calls" note={<Running />}>
        <Button startIcon={paused ? <Play /> : <Pause />} onClick={() => setPaused(!paused)} variant={paused ? 'contained' : 'outlined'}>{paused ? 'Go on' : 'Pause'}</Button>
      </Head>
      <Box sx={{ display: 'flex', flexWrap: 'wrap', gap: 1, mb: 1.5 }}>
        <TextFilter name="q" label="Number, carrier, trunk" width={200} />
        <ChoiceFilter name="originator" label="Originator" choices={choices(carriers.data)} />
        <ChoiceFilter name="terminator" label="Terminator" choices={choices(carriers.data)} />
        <ChoiceFilter name="state" label="State" choices={STATES.map((state) => ({ value: state, text: state }))} width={120} />
      </Box>
      <Trouble error={calls.error} />
      <Panel flush sx={{ opacity: calls.error ? 0.55 : 1 }}>
        <Rows rows={rows} columns={columns} waiting={calls.isPending && !calls.error} filtered={q !== '' || Object.values(filter).some(Boolean)} onOpen={open} />
      </Panel>
      <Typography variant="caption" component="p" sx={{ color: 'text.secondary', mt: 1 }}>
        {count(rows.length)} shown, oldest first{paused ? ', paused' : `, refreshed ${every}`}.{' '}<Beyond />
      </Typography>
      {doing && <Asked {...doing} onClose={() => setDoing(null)} />}
    </>
  );
}
