/** How long calls spend in each room of the switch: percentiles, no means. */
import { useMemo } from 'react';
import { Box, Button, Checkbox, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import Download from '@mui/icons-material/DownloadOutlined';
import { useQuery } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { Defined, When } from '../../common/Fact';
import { age, count, nanos, NONE } from '../../common/format';
import { Empty, Head, Panel, Trouble, Waiting } from '../../common/Panel';
import { useFilters } from '../../common/url';
import { Curve, INKS } from './Curve';

type Stage = Schemas['StageLatency'];

const NAMES: Record<string, string> = {
  parse: 'Reading the INVITE', admit: 'Finding the ingress trunk', limits: 'Capacity, CPS and money', route: 'Rates and order of routes',
  egress: 'Decision to egress INVITE sent', answer: 'Egress answer to 200 sent, journal included', relay: 'An RTP packet through the relay',
};

function Stages({ stages, shown, onToggle }: { stages: Stage[]; shown: Set<string>; onToggle: (stage: string) => void }) {
  return (
    <Table size="small" data-latency sx={{ '& td, & th': { whiteSpace: 'nowrap' }, '& tr:last-child td': { borderBottom: 0 } }}>
      <TableHead>
        <TableRow>
          <TableCell component="td" padding="checkbox" /><TableCell>Stage</TableCell><TableCell>What it is</TableCell><TableCell align="right">Count</TableCell>
          {['p50', 'p90', 'p99', 'p99.9', 'p99.99'].map((name) => <TableCell key={name} align="right"><Defined figure="percentile">{name}</Defined></TableCell>)}
          <TableCell align="right">max</TableCell><TableCell component="td" align="right" />
        </TableRow>
      </TableHead>
      <TableBody>
        {stages.map((s, index) => {
          const cell = (ns: number) => <TableCell align="right">{s.count === 0 ? NONE : nanos(ns)}</TableCell>;
          return (
            <TableRow key={s.stage} hover data-stage={s.stage}>
              <TableCell padding="checkbox"><Checkbox size="small" checked={shown.has(s.stage)} onChange={() => onToggle(s.stage)} sx={{ p: 0.25, color: INKS[index % INKS.length], '&.Mui-checked': { color: INKS[index % INKS.length] } }} slotProps={{ input: { 'aria-label': `Draw ${s.stage}` } }} /></TableCell>
              <TableCell><b>{s.stage}</b></TableCell>
              <TableCell sx={{ color: 'text.secondary' }}>{NAMES[s.stage] ?? ''}</TableCell>
              <TableCell align="right">{count(s.count)}</TableCell>
              {cell(s.p50_ns)}{cell(s.p90_ns)}{cell(s.p99_ns)}{cell(s.p99_9_ns)}{cell(s.p99_99_ns)}{cell(s.max_ns)}
              <TableCell align="right" sx={{ py: '0 !important' }}><Button component="a" href={`/api/v1/latency/${encodeURIComponent(s.stage)}.hlog`} download={`${s.stage}.hlog`} startIcon={<Download />}>.hlog</Button></TableCell>
            </TableRow>
          );
        })}
      </TableBody>
    </Table>
  );
}

/** The screen. */
export default function Latency() {
  const [query, set] = useFilters();
  const latency = useQuery({ queryKey: ['latency'], queryFn: () => body(api.GET('/api/v1/latency')), refetchInterval: 5_000 });
  const stages = useMemo(() => latency.data?.stages ?? [], [latency.data]);
  const hidden = useMemo(() => new Set((query.get('hide') ?? '').split(',').filter(Boolean)), [query]);
  const shown = useMemo(() => new Set(stages.map((stage) => stage.stage).filter((stage) => !hidden.has(stage))), [stages, hidden]);
  const drawn = useMemo(() => stages.map((stage, index) => ({ stage, ink: INKS[index % INKS.length] ?? '#888' })).filter(({ stage }) => shown.has(stage.stage) && stage.count > 0), [stages, shown]);
  const curves = useMemo(() => drawn.map(({ stage }) => ({ name: stage.stage, points: stage.curve })), [drawn]);
  const inks = useMemo(() => drawn.map(({ ink }) => ink), [drawn]);
  const toggle = (stage: string) => {
    const next = new Set(hidden);
    if (!next.delete(stage)) next.add(stage);
    set({ hide: [...next].sort().join(',') });
  };
  if (latency.isPending) return <Waiting rows={10} />;
  return (
    <>
      <Head title="Latency" note={latency.data && <>over {age(latency.data.uptime_s * 1000)} since the data plane started, as of <When at={latency.data.as_of} part="clock" /></>} />
      <Trouble error={latency.error} retry={() => void latency.refetch()} />
      <Panel title={<Defined figure="percentile">Percentiles</Defined>} note="latency against share of values; both axes logarithmic" sx={{ mb: 1.5 }}>
        {curves.length > 0 ? <Curve curves={curves} inks={inks} /> : <Empty title="Nothing was measured yet">Every call is measured, always. Curves appear with the first call.</Empty>}
        <Box sx={{ display: 'flex', flexWrap: 'wrap', gap: 2, pl: 7, fontSize: '0.74rem' }}>
          {drawn.map(({ stage, ink }) => <Box key={stage.stage} sx={{ display: 'flex', alignItems: 'center', gap: 0.75 }}><Box sx={{ width: 14, height: 3, bgcolor: ink, borderRadius: 1 }} />{stage.stage}</Box>)}
        </Box>
      </Panel>
      <Panel flush><Stages stages={stages} shown={shown} onToggle={toggle} /></Panel>
    </>
  );
}
