/** The landing page: what the switch does this second, the last minutes, and who sends and takes calls. */
import { lazy, Suspense } from 'react';
import { Alert, Box, Paper, Skeleton, Table, TableBody, TableCell, TableHead, TableRow, ToggleButton, ToggleButtonGroup } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { api, body, type Schemas } from '../../api/http';
import { useLive, type Figures } from '../../api/live';
import { Defined, Kpi } from '../../common/Fact';
import { count, fixed, NONE, percent, rounded, span, talk } from '../../common/format';
import { Empty, Head, Panel, Trouble } from '../../common/Panel';
import { useZone } from '../../common/place';
import { useFilters } from '../../common/url';
import { useStale } from '../../shell/LiveDot';
import type { Line } from '../../common/Series';
import { Alarms } from './Alarms';

const Series = lazy(() => import('../../common/Series').then((module) => ({ default: module.Series })));
const Machines = lazy(() => import('../../common/Machines').then((module) => ({ default: module.Machines })));

type Sums = Schemas['CarrierSums'];

const CALLS: Line[] = [
  { label: 'Calls', color: 'primary', fill: true, write: count },
  { label: 'Answered', color: 'success', write: count },
];
const CPS: Line[] = [{ label: 'CPS', color: 'warning', fill: true, write: (value) => fixed(value, 1) }];
const ASR: Line[] = [{ label: 'ASR', color: 'success', write: (value) => percent(value) }];

function Headline({ figures, stale }: { figures: Figures; stale?: string }) {
  const { sums } = figures;
  const money = sums?.money[0];
  const others = (sums?.money.length ?? 0) > 1 ? `+ ${(sums?.money.length ?? 1) - 1} more currencies` : `last ${Math.round(figures.window_s / 60)} min`;
  const span_ = `last ${Math.round(figures.window_s / 60)} min`;
  const unit = money?.currency;
  const share = money && Number(money.revenue) !== 0 ? (100 * Number(money.margin)) / Number(money.revenue) : null;
  return (
    <Paper variant="outlined" sx={{ display: 'grid', gridTemplateColumns: { xs: '1fr 1fr', sm: 'repeat(4, 1fr)', lg: 'repeat(6, 1fr)' }, mb: 1.5, overflow: 'hidden', '& > *': { boxShadow: '1px 1px 0 0 var(--mui-palette-divider)' } }}>
      <Kpi figure="calls" name="Calls" value={count(figures.calls)} note={`${count(figures.answered)} answered`} stale={stale} />
      <Kpi figure="cps" name="CPS" value={fixed(figures.cps, 1)} note={`${fixed(figures.answers_per_second, 1)} answers/s`} stale={stale} />
      <Kpi figure="asr" name="ASR" value={fixed(sums?.asr_percent, 1)} unit="%" note={`${count(sums?.calls)} calls, ${span_}`} stale={stale} />
      <Kpi figure="acd" name="ACD" value={talk(sums?.acd_ms)} note={span_} stale={stale} />
      <Kpi figure="pdd" name="PDD" value={span(sums?.pdd_ms)} note={`mean, ${span_}`} stale={stale} />
      <Kpi figure="minutes" name="Minutes" value={sums ? count(Math.floor(sums.talked_ms / 60_000)) : NONE} note={span_} stale={stale} />
      <Kpi figure="revenue" name="Revenue" value={rounded(money?.revenue)} unit={unit} note={others} stale={stale} />
      <Kpi figure="cost" name="Cost" value={rounded(money?.cost)} unit={unit} note={others} stale={stale} />
      <Kpi figure="margin" name="Margin" value={rounded(money?.margin)} unit={unit} note={share === null ? NONE : `${percent(share)} of revenue`} stale={stale} />
      <Kpi figure="backlog" name="Backlog" value={count(figures.backlog_records)} unit="records" note={`journal disk ${figures.journal_disk_percent} % full`} stale={stale} />
      <Kpi figure="revision" name="Revision" value={count(figures.revision)} note={figures.draining ? 'draining: new calls refused' : figures.refuses ? 'new calls refused' : 'in force'} stale={stale} />
      <Kpi figure="node" name="Data plane" value={figures.data_plane_up ? 'up' : 'away'} note={figures.data_plane_up ? `answered ${span(figures.age_ms)} ago` : `silent for ${span(figures.age_ms)}`} stale={stale} />
    </Paper>
  );
}

function Charts({ seconds }: { seconds: number }) {
  const { history } = useLive();
  const zone = useZone();
  const [at, calls, answered, cps, asr] = history.columns(seconds, [(p) => p.calls, (p) => p.answered, (p) => p.cps, (p) => p.asr_percent ?? null]);
  const frame = <Skeleton variant="rectangular" height={196} sx={{ bgcolor: 'transparent' }} />;
  const chart = (data: (number | null)[][], lines: Line[], topMin: number, axis: (value: number) => string) => (
    <Suspense fallback={frame}>
      <Series data={[at, ...data] as never} lines={lines} height={170} zone={zone} topMin={topMin} axis={axis} />
    </Suspense>
  );
  return (
    <Box sx={{ display: 'grid', gridTemplateColumns: { xs: 'minmax(0, 1fr)', md: 'repeat(3, minmax(0, 1fr))' }, gap: 1.5, mb: 1.5 }}>
      <Panel title={<Defined figure="calls">Calls</Defined>}>{chart([calls ?? [], answered ?? []], CALLS, 10, count)}</Panel>
      <Panel title={<Defined figure="cps">CPS</Defined>}>{chart([cps ?? []], CPS, 5, (value) => fixed(value, value % 1 ? 1 : 0))}</Panel>
      <Panel title={<Defined figure="asr">ASR</Defined>}>{chart([asr ?? []], ASR, 100, (value) => `${value} %`)}</Panel>
    </Box>
  );
}

function CarrierTable({ rows, side }: { rows: Sums[]; side: 'originator' | 'terminator' }) {
  if (rows.length === 0) return <Empty title="No calls yet">{side === 'originator' ? 'Nobody has sent a call in this window.' : 'No route has been tried in this window.'}</Empty>;
  const earned = side === 'originator' ? 'revenue' : 'cost';
  return (
    <Table size="small" sx={{ '& td, & th': { whiteSpace: 'nowrap' }, '& tr:last-child td': { borderBottom: 0 } }}>
      <TableHead>
        <TableRow>
          <TableCell>Carrier</TableCell>
          <TableCell align="right"><Defined figure="calls">Now</Defined></TableCell>
          <TableCell align="right">{side === 'originator' ? 'Calls' : 'Attempts'}</TableCell>
          <TableCell align="right"><Defined figure="asr">ASR</Defined></TableCell>
          <TableCell align="right"><Defined figure="acd">ACD</Defined></TableCell>
          <TableCell align="right"><Defined figure="pdd">PDD</Defined></TableCell>
          <TableCell align="right"><Defined figure={earned}>{side === 'originator' ? 'Revenue' : 'Cost'}</Defined></TableCell>
        </TableRow>
      </TableHead>
      <TableBody>
        {rows.map(({ carrier, running, sums }) => (
          <TableRow key={carrier.id} hover>
            <TableCell><Link href={`/carriers/${carrier.id}`}>{carrier.code || carrier.id}</Link></TableCell>
            <TableCell align="right"><Link href={`/calls?${side}=${carrier.id}`}>{count(running)}</Link></TableCell>
            <TableCell align="right"><Link href={`/cdrs?${side}=${carrier.id}${side === 'terminator' ? '&kind=attempt' : ''}`}>{count(sums.calls)}</Link></TableCell>
            <TableCell align="right">{percent(sums.asr_percent)}</TableCell>
            <TableCell align="right">{talk(sums.acd_ms)}</TableCell>
            <TableCell align="right">{span(sums.pdd_ms)}</TableCell>
            <TableCell align="right">{sums.money[0] ? `${rounded(sums.money[0][earned])} ${sums.money[0].currency}` : NONE}</TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

/** The screen. */
export default function Overview() {
  const [query, set] = useFilters();
  const seconds = query.get('span') === '600' ? 600 : 60;
  const { last } = useLive();
  const stale = useStale();
  const carriers = useQuery({ queryKey: ['overview'], queryFn: () => body(api.GET('/api/v1/overview')), refetchInterval: 2_000 });
  const figures = last ?? carriers.data?.figures;
  const machines = carriers.data?.machines ?? [];
  const away = figures && !figures.data_plane_up ? `data plane silent for ${span(figures.age_ms)}` : undefined;
  return (
    <>
      <Head title="Overview">
        <ToggleButtonGroup exclusive size="small" value={seconds} onChange={(_, next: number | null) => next && set({ span: next === 60 ? '' : String(next) })} aria-label="Span of the charts" sx={{ '& button': { px: 1.25, py: 0.2, textTransform: 'none', fontSize: '0.74rem' } }}>
          <ToggleButton value={60}>60 s</ToggleButton>
          <ToggleButton value={600}>10 min</ToggleButton>
        </ToggleButtonGroup>
      </Head>
      {!figures && carriers.error && <Trouble error={carriers.error} retry={() => void carriers.refetch()} />}
      {away && !stale && <Alert severity="warning" variant="outlined" sx={{ mb: 1.5 }}>The {away}. It goes on routing from revision {figures?.revision}; the figures below are the last known.</Alert>}
      {figures?.refuses && !away && <Alert severity="error" variant="outlined" sx={{ mb: 1.5 }} data-refuses><b>New calls are refused: {figures.refuses}.</b> Running calls go on.</Alert>}
      <Alarms />
      {figures ? <Headline figures={figures} stale={stale ?? away} /> : <Skeleton variant="rounded" height={150} sx={{ mb: 1.5 }} />}
      <Charts seconds={seconds} />
      {machines.length > 0 && <Panel title="Machines" note="by their own control planes" flush sx={{ mb: 1.5 }}><Suspense><Machines rows={machines} /></Suspense></Panel>}
      <Box sx={{ display: 'grid', gridTemplateColumns: { xs: 'minmax(0, 1fr)', lg: 'repeat(2, minmax(0, 1fr))' }, gap: 1.5 }}>
        <Panel title="Originators" note="busiest first" flush><CarrierTable rows={carriers.data?.originators ?? []} side="originator" /></Panel>
        <Panel title="Terminators" note="busiest first, per attempt" flush><CarrierTable rows={carriers.data?.terminators ?? []} side="terminator" /></Panel>
      </Box>
    </>
  );
}
