/** Running calls, once a second. The rows are a window on the oldest calls, not the whole table. */
import { useMemo, useState } from 'react';
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
import { May } from '../../common/May';

type Call = Schemas['Call'];

const STATES = ['admitting', 'routing', 'trying', 'ringing', 'answering', 'up', 'releasing'] as const;

function tone(state: string) {
  if (state === 'up') return 'success';
  return state === 'ringing' || state === 'answering' ? 'info' : 'default';
}

function columns(release: (call: Call) => void, capture: (call: Call) => void, record: (call: Call) => void): Column<Call>[] {
  return [
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
    {
      field: 'capture', headerName: '', width: 76, sortable: false, hideable: false, align: 'right', narrow: false,
      renderCell: ({ row }) => (
        <May to="calls:open"><Button sx={{ py: 0, minWidth: 0 }} onClick={(event) => { event.stopPropagation(); capture(row); }}>Capture</Button></May>
      ),
    },
    {
      field: 'record', headerName: '', width: 66, sortable: false, hideable: false, align: 'right', narrow: false,
      renderCell: ({ row }) => (
        <May to="recordings"><Button sx={{ py: 0, minWidth: 0 }} onClick={(event) => { event.stopPropagation(); record(row); }}>{isRecorded(row) ? 'Stop' : 'Record'}</Button></May>
      ),
    },
    {
      field: 'release', headerName: '', width: 76, sortable: false, hideable: false, align: 'right',
      renderCell: ({ row }) => (
        <May to="calls:release"><Button color="error" sx={{ py: 0, minWidth: 0 }} onClick={(event) => { event.stopPropagation(); release(row); }}>Release</Button></May>
      ),
    },
  ];
}

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

/** The screen. */
export default function Calls() {
  const [query] = useFilters();
  const [, go] = useLocation();
  const [paused, setPaused] = useState(false);
  const [release, setRelease] = useState<Call | null>(null);
  const [capture, setCapture] = useState<Call | null>(null);
  const [record, setRecord] = useState<Call | null>(null);
  const carriers = useCarriers();
  const { last } = useLive();
  const filter = { originator: query.get('originator') ?? undefined, terminator: query.get('terminator') ?? undefined, state: STATES.find((state) => state === query.get('state')) };
  const calls = useQuery({
    queryKey: ['calls', filter],
    queryFn: () => body(api.GET('/api/v1/calls', { params: { query: { ...filter, limit: PAGE_ROWS } } })),
    refetchInterval: paused ? false : 1_000,
    placeholderData: keepPreviousData,
  });
  const q = query.get('q') ?? '';
  const rows = useMemo(() => (calls.data?.data ?? []).filter((call) => q === '' || fits(call, q)), [calls.data, q]);
  const shown = useMemo(() => columns(setRelease, setCapture, setRecord), []);
  const filtered = q !== '' || Object.values(filter).some(Boolean);
  return (
    <>
      <Head title="Active calls" note={<b>{count(last?.calls)}</b>}>
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
        <Grid
          name="calls"
          rows={rows}
          columns={shown}
          loading={calls.isPending && !calls.error}
          onOpen={(call) => go(`/cdrs/${call.id}`)}
          empty={filtered
            ? <Empty title="No running call fits the filter">Calls end quickly; the CDRs have those that did.</Empty>
            : <Empty title="No call is running">As soon as an originator sends an INVITE, its call appears here within a second.</Empty>}
        />
      </Panel>
      <Typography variant="caption" component="p" sx={{ color: 'text.secondary', mt: 1 }}>
        {count(rows.length)} shown, oldest first{paused ? ', paused' : ', refreshed every second'}.{' '}
        {(last?.calls ?? 0) > PAGE_ROWS && <Tooltip title="Choose a carrier or a state to see others."><span>The table holds {PAGE_ROWS} at most.</span></Tooltip>}
      </Typography>
      {capture && <CaptureCall call={capture} onClose={() => setCapture(null)} />}
      {record && <RecordCall call={record} onClose={() => setRecord(null)} />}
      {release && <ReleaseCall call={release} onClose={() => setRelease(null)} />}
    </>
  );
}
