/** Statistics: sums of calls by up to three dimensions, per call and per attempt. Each number leads to the CDRs behind it. */
import { useMemo, useState } from 'react';
import { Box, Button, Link as Anchor, MenuItem, TextField, ToggleButton, ToggleButtonGroup, Tooltip, Typography } from '@mui/material';
import Refresh from '@mui/icons-material/RefreshOutlined';
import type { GridRowHeightParams } from '@mui/x-data-grid';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { api, body } from '../../api/http';
import { choices, useCarriers, useEgressTrunks, useIngressTrunks } from '../../api/objects';
import { Kpi, When } from '../../common/Fact';
import { ChoiceFilter, TextFilter } from '../../common/Filters';
import { definitions } from '../../common/definitions';
import { count, decimal, fixed, NONE, percent, placesThatAddUp, rounded, signOf, span, zoneName } from '../../common/format';
import { figures, Grid, PAGE_ROWS, type Column } from '../../common/Grid';
import { Empty, Head, Panel, Trouble } from '../../common/Panel';
import { useZone } from '../../common/place';
import { useFilters, type TimeWindow } from '../../common/url';
import { askOf, cdrsOf, chosen, DIMENSIONS, dimensions, SPANS, windowOf, type Figures, type Row, type Sort, type Sum } from './ask';

interface Shown {
  attempts: boolean;
  query: URLSearchParams;
  window: TimeWindow;
}

const reading = (of: Figures, attempts: boolean) => (attempts ? of.per_attempt : of.per_call);
const minutes = (ms: number) => (ms / 60_000).toLocaleString('en-US', { maximumFractionDigits: 1 });

type Amounts = 'revenue' | 'cost' | 'margin';

/** Shares as the CSV file has them: rounded once. */
const share = (value: number | null | undefined) => percent(value, 2);

/** Amounts of all currencies: `12.40 USD + 3.00 EUR`. */
function money(sums: Sum[], write: (sum: Sum) => string): string {
  return sums.length === 0 ? NONE : sums.map((sum) => `${write(sum)} ${sum.currency}`).join(' + ');
}

/** Revenue less cost is margin as they stand on the page: two decimals where that holds, else more. */
const places = (sum: Sum) => placesThatAddUp(sum.revenue, sum.cost, sum.margin);

/** Amounts, a line each, with all decimals of the CSV file when the pointer rests on them. */
function Money({ sums, of }: { sums: Sum[]; of: Amounts }) {
  const line = (sum: Sum) => <Box key={sum.currency} sx={{ color: of === 'margin' && signOf(sum.margin) < 0 ? 'error.main' : undefined }}>{rounded(sum[of], places(sum))} {sum.currency}</Box>;
  return <Box title={money(sums, (sum) => decimal(sum[of]))} sx={{ lineHeight: `${LINE_PX}px`, py: sums.length > 1 ? '5px' : 0, alignSelf: 'center', width: '100%' }}>{sums.length === 0 ? NONE : sums.map(line)}</Box>;
}

/** The height of one currency's amount in a row of several. */
const LINE_PX = 18;

/** A row is as high as it has currencies. */
function heightOf({ model }: GridRowHeightParams): number | null {
  const lines = (model as Row).figures.money.length;
  return lines > 1 ? lines * LINE_PX + 11 : null;
}

function named(row: Row, key: 'originator' | 'ingress_trunk' | 'terminator' | 'egress_trunk'): string {
  const one = row[key];
  if (!one) return '';
  if (/_0$/.test(one.id)) return key === 'originator' || key === 'ingress_trunk' ? '(nobody we know)' : '(no route tried)';
  return one.code || one.id;
}

function place(row: Row, by: string): string {
  if (by === 'hour' || by === 'day' || by === 'month') return row.period?.name ?? '';
  if (by === 'country') return row.country === '' ? '(none)' : (row.country ?? '');
  if (by === 'prefix') return row.prefix === '' ? '(none)' : (row.prefix ?? '');
  if (by === 'cause') return `${row.cause ?? ''} ${row.cause_text ?? ''}`;
  return named(row, by as 'originator');
}

function Leads({ row, shown, answered, value }: { row: Row; shown: Shown; answered: boolean; value: number }) {
  return (
    <Anchor component={Link} href={cdrsOf(row, shown.query, shown.window, shown.attempts, answered)} underline="hover" color="inherit" title="The CDRs behind this number">
      {count(value)}
    </Anchor>
  );
}

function headOf(word: string): string {
  const text = DIMENSIONS.find((known) => known.value === word)?.text ?? word;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Room for `12,345,678.90 USD`. */
const MONEY_WIDTH_MIN = 124;

function columns(by: string[], shown: Shown): Column<Row>[] {
  const { attempts } = shown;
  const of = (row: Row) => reading(row.figures, attempts);
  const told = by.map((word): Column<Row> => ({
    field: word, headerName: headOf(word), flex: 1, minWidth: 96, sortable: false, valueGetter: (_, row) => place(row, word),
  }));
  // Money first: on a narrow screen the table is pulled sideways for the rest.
  return [
    ...told,
    { field: 'count', headerName: attempts ? 'Attempts' : 'Calls', description: attempts ? definitions.statisticsAttempts : definitions.statisticsCalls, width: 84, ...figures, renderCell: ({ row }) => <Leads row={row} shown={shown} answered={false} value={of(row).count} /> },
    { field: 'answered', headerName: 'Answered', description: attempts ? definitions.answeredAttempts : definitions.answeredCalls, width: 84, ...figures, renderCell: ({ row }) => <Leads row={row} shown={shown} answered value={of(row).answered} /> },
    { field: 'minutes', headerName: 'Minutes', description: definitions.minutes, width: 84, ...figures, valueGetter: (_, row) => minutes(row.figures.talked_ms) },
    { field: 'revenue', headerName: 'Revenue', description: definitions.revenue, minWidth: MONEY_WIDTH_MIN, flex: 0.8, ...figures, renderCell: ({ row }) => <Money sums={row.figures.money} of="revenue" /> },
    { field: 'cost', headerName: 'Cost', description: definitions.cost, minWidth: MONEY_WIDTH_MIN, flex: 0.8, ...figures, narrow: false, renderCell: ({ row }) => <Money sums={row.figures.money} of="cost" /> },
    { field: 'margin', headerName: 'Margin', description: definitions.margin, minWidth: MONEY_WIDTH_MIN, flex: 0.8, ...figures, renderCell: ({ row }) => <Money sums={row.figures.money} of="margin" /> },
    { field: 'asr', headerName: 'ASR', description: attempts ? definitions.asrAttempt : definitions.asr, width: 76, ...figures, valueGetter: (_, row) => share(of(row).asr_percent) },
    { field: 'ner', headerName: 'NER', description: definitions.ner, width: 76, ...figures, valueGetter: (_, row) => share(of(row).ner_percent) },
    { field: 'acd', headerName: 'ACD', description: definitions.acd, width: 68, ...figures, valueGetter: (_, row) => span(of(row).acd_ms) },
    { field: 'asr_other', headerName: attempts ? 'per call' : 'per try', description: attempts ? definitions.asr : definitions.asrAttempt, width: 76, ...figures, narrow: false, valueGetter: (_, row) => share(reading(row.figures, !attempts).asr_percent) },
    { field: 'pdd', headerName: 'PDD', description: attempts ? definitions.pddAttempt : definitions.pdd, width: 68, ...figures, narrow: false, valueGetter: (_, row) => span(of(row).pdd_ms) },
    { field: 'billed', headerName: 'Billed s', description: definitions.billed, width: 76, ...figures, narrow: false, valueGetter: (_, row) => count(row.figures.sell_billed_s) },
    { field: 'loss', headerName: 'Loss', description: definitions.statisticsLoss, width: 66, ...figures, narrow: false, valueGetter: (_, row) => share(row.figures.egress_loss_percent) },
    { field: 'mos', headerName: 'MOS', description: definitions.mos, width: 50, ...figures, narrow: false, valueGetter: (_, row) => fixed(row.figures.egress_mos, 2) },
  ];
}

const ORDERS: { value: Sort; text: string }[] = [
  { value: 'calls', text: 'most calls' },
  { value: 'attempts', text: 'most attempts' },
  { value: 'answered', text: 'most answered' },
  { value: 'talked', text: 'most minutes' },
  { value: 'revenue', text: 'most revenue' },
  { value: 'cost', text: 'most cost' },
  { value: 'margin', text: 'most margin' },
  { value: 'asr', text: 'ASR per call' },
  { value: 'attempt_asr', text: 'ASR per attempt' },
  { value: 'ner', text: 'NER' },
  { value: 'acd', text: 'ACD' },
  { value: 'pdd', text: 'PDD' },
  { value: 'place', text: 'time and name' },
];

function Choice({ label, value, choices: all, onChoose, width = 132 }: { label: string; value: string; choices: { value: string; text: string }[]; onChoose: (value: string) => void; width?: number }) {
  return (
    <TextField select label={label} value={value} onChange={(event) => onChoose(event.target.value)} sx={{ width: { xs: 'calc(50% - 4px)', sm: width } }}>
      {all.map((choice) => <MenuItem key={choice.value} value={choice.value}>{choice.text}</MenuItem>)}
    </TextField>
  );
}

function Filters() {
  const [query, set] = useFilters();
  const [carriers, incoming, outgoing] = [useCarriers(), useIngressTrunks(), useEgressTrunks()];
  const by = dimensions(query);
  const fixedWindow = query.get('from') !== null && query.get('till') !== null;
  const spans = [...(fixedWindow ? [{ value: 'fixed', text: 'fixed' }] : []), ...Object.keys(SPANS).map((name) => ({ value: name, text: `last ${name}` }))];
  const nothing = { value: '', text: '–' };
  return (
    <Box sx={{ display: 'flex', flexWrap: 'wrap', gap: 1, mb: 1.5 }}>
      <Choice label="Window" width={110} value={fixedWindow ? 'fixed' : (query.get('window') ?? '1d')} choices={spans} onChoose={(value) => set({ window: value === '1d' ? '' : value, from: '', till: '', cursor: '' })} />
      {[0, 1, 2].slice(0, Math.min(3, by.length + 1)).map((at) => (
        <Choice key={at} label={at === 0 ? 'By' : 'and by'} value={by[at] ?? ''} choices={[nothing, ...DIMENSIONS]} onChoose={(value) => set({ by: chosen(by, at, value), cursor: '' })} />
      ))}
      <Choice label="Order" value={query.get('sort') ?? 'calls'} choices={ORDERS} onChoose={(value) => set({ sort: value === 'calls' ? '' : value, cursor: '' })} />
      <ChoiceFilter name="originator" label="Originator" choices={choices(carriers.data)} width={130} />
      <ChoiceFilter name="ingress_trunk" label="Ingress trunk" choices={choices(incoming.data)} width={130} />
      <ChoiceFilter name="terminator" label="Terminator" choices={choices(carriers.data)} width={130} />
      <ChoiceFilter name="egress_trunk" label="Egress trunk" choices={choices(outgoing.data)} width={130} />
      <TextFilter name="called" label="To (country, area)" width={130} />
      <TextFilter name="cause" label="Cause" width={80} />
    </Box>
  );
}

function Totals({ total, attempts }: { total: Figures; attempts: boolean }) {
  const of = reading(total, attempts);
  return (
    <Panel flush sx={{ mb: 1.5 }}>
      <Box sx={{ display: 'grid', gridTemplateColumns: 'repeat(auto-fit, minmax(128px, 1fr))' }}>
        <Kpi figure={attempts ? 'statisticsAttempts' : 'statisticsCalls'} name={attempts ? 'Attempts' : 'Calls'} value={count(of.count)} note={`${count(of.answered)} answered`} />
        <Kpi figure={attempts ? 'asrAttempt' : 'asr'} name={attempts ? 'ASR per attempt' : 'ASR per call'} value={share(of.asr_percent)} note={`${share(reading(total, !attempts).asr_percent)} per ${attempts ? 'call' : 'attempt'}`} />
        <Kpi figure="ner" name="NER" value={share(of.ner_percent)} />
        <Kpi figure="acd" name="ACD" value={span(of.acd_ms)} />
        <Kpi figure={attempts ? 'pddAttempt' : 'pdd'} name="PDD" value={span(of.pdd_ms)} />
        <Kpi figure="minutes" name="Minutes" value={minutes(total.talked_ms)} />
        {total.money.map((sum) => <Kpi key={sum.currency} figure="margin" name={`Margin ${sum.currency}`} value={rounded(sum.margin, places(sum))} note={<span title={`${decimal(sum.revenue)} less ${decimal(sum.cost)} is ${decimal(sum.margin)}`}>{rounded(sum.revenue, places(sum))} less {rounded(sum.cost, places(sum))}</span>} />)}
      </Box>
    </Panel>
  );
}

/** A row's name: what it is told apart by. */
const idOf = (row: Row) => [row.period?.from, row.originator?.id, row.ingress_trunk?.id, row.terminator?.id, row.egress_trunk?.id, row.country, row.prefix, row.cause].join('/');

/** The screen. */
export default function Statistics() {
  const [query, set] = useFilters();
  const [now, setNow] = useState(() => Date.now());
  const zone = useZone();
  const { from, till } = useMemo(() => windowOf(query, now), [query, now]);
  const attempts = query.get('reading') === 'attempt';
  // Sums are kept by half hours: days of Kathmandu, 5:45 ahead of UTC, cannot be made of them.
  const days = zone === 'utc' || new Date(from).getTimezoneOffset() % 30 !== 0 ? 'utc' : zone;
  const ask = { ...askOf(query), from, till, zone: days === 'utc' ? undefined : zoneName(days) };
  const told = useQuery({
    queryKey: ['statistics', ask],
    queryFn: () => body(api.GET('/api/v1/statistics', { params: { query: { ...ask, limit: PAGE_ROWS } } })),
    placeholderData: keepPreviousData,
  });
  const rows = told.data?.data ?? [];
  const by = dimensions(query);
  const window = { from: told.data?.from ?? from, till: told.data?.till ?? till };
  const file = new URLSearchParams(Object.entries({ ...ask, cursor: undefined }).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])));
  return (
    <>
      <Head title="Statistics" note={<><When at={window.from} part="minute" /> to <When at={window.till} part="minute" /> {zoneName(zone)}</>}>
        <ToggleButtonGroup exclusive size="small" value={attempts ? 'attempt' : 'call'} onChange={(_, next: string | null) => next && set({ reading: next === 'call' ? '' : next })} aria-label="Reading" sx={{ '& button': { px: 1.25, py: 0.2, textTransform: 'none', fontSize: '0.74rem' } }}>
          <ToggleButton value="call" title={definitions.statisticsCalls}>Per call</ToggleButton>
          <ToggleButton value="attempt" title={definitions.statisticsAttempts}>Per attempt</ToggleButton>
        </ToggleButtonGroup>
        <Tooltip title="All groups, in this order, with all figures of both readings."><Button href={`/api/v1/statistics:export?${file.toString()}`} download>CSV</Button></Tooltip>
        <Button startIcon={<Refresh />} onClick={() => setNow(Date.now())}>Refresh</Button>
      </Head>
      <Filters />
      <Trouble error={told.error} retry={() => void told.refetch()} />
      {told.data && <Totals total={told.data.total} attempts={attempts} />}
      <Panel flush sx={{ opacity: told.isPlaceholderData ? 0.6 : 1 }}>
        <Grid
          name="statistics"
          above={360}
          rows={rows}
          getRowId={idOf}
          getRowHeight={heightOf}
          columns={columns(by, { attempts, query, window })}
          loading={told.isPending && !told.error}
          empty={!told.error && <Empty title="No call of this window fits">A call is summed within seconds of its end, under the half hour in which it began. Choose a longer window or fewer filters; calls from before sums were kept come in by a job (System → Jobs).</Empty>}
        />
      </Panel>
      <Box sx={{ display: 'flex', alignItems: 'center', gap: 1, mt: 1 }}>
        <Typography variant="caption" component="p" sx={{ color: 'text.secondary', m: 0, flex: 1 }}>
          {count(rows.length)} groups{told.data?.next_cursor ? '; there are more' : ''}. Days begin at midnight {zoneName(days)}.
        </Typography>
        {query.get('cursor') && <Button onClick={() => set({ cursor: '', from: '', till: '' }, true)}>« first</Button>}
        <Button variant="outlined" disabled={!told.data?.next_cursor} onClick={() => set({ cursor: told.data?.next_cursor ?? '', from, till }, true)}>more →</Button>
      </Box>
    </>
  );
}
