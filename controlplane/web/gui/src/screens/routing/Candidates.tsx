/** Every candidate route with the reason for its place, or for being dropped. */
import { Box, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { Link } from 'wouter';
import type { Schemas } from '../../api/http';
import { Defined, State } from '../../common/Fact';
import { decimal, fixed, NONE, percent, placesOf } from '../../common/format';
import { classOf } from '../rates/calendar';

type Candidate = Schemas['Candidate'];

interface Props {
  candidates: Candidate[];
  /** What came of a tried candidate, by its trunk. */
  results?: Map<string, { text: string; good: boolean }>;
}

function Row({ candidate: c, places, result, chained, indexed }: { candidate: Candidate; places: number; result?: { text: string; good: boolean }; chained: boolean; indexed: boolean }) {
  const dropped = c.verdict === 'dropped';
  return (
    <TableRow hover data-candidate={c.egress_trunk.code} data-verdict={c.verdict} data-because={c.because ?? undefined} sx={{ '& td': { color: dropped ? 'text.secondary' : undefined } }}>
      <TableCell align="right" sx={{ fontWeight: 640 }}>{c.place ?? NONE}</TableCell>
      <TableCell><Link href={`/carriers/${c.terminator.id}`}>{c.terminator.code || c.terminator.id}</Link></TableCell>
      <TableCell>{c.egress_trunk.code || c.egress_trunk.id}{chained && <Box component="span" sx={{ color: 'text.secondary' }}> · plan {c.plan.code || c.plan.id}</Box>}</TableCell>
      <TableCell align="right" title={c.prefix_digits ? `the rate of ${c.prefix_digits} digits` : undefined}>{classOf(c) && <Box component="span" sx={{ color: 'text.secondary' }}>{classOf(c)} </Box>}{decimal(c.buy_per_minute, places)}</TableCell>
      <TableCell align="right">{decimal(c.margin_per_minute, places)}</TableCell>
      <TableCell align="right" sx={(c.margin_percent ?? 0) < 0 ? { color: 'error.main !important' } : undefined}>{percent(c.margin_percent)}</TableCell>
      {indexed && <TableCell align="right">{c.index === null || c.index === undefined ? NONE : fixed(c.index, 2)}</TableCell>}
      <TableCell>
        <Box sx={{ display: 'flex', alignItems: 'center', gap: 1, minWidth: 130, flexWrap: 'wrap' }}>
          {result ? <State tone={result.good ? 'success' : 'error'}>{result.text}</State> : <State tone={dropped ? 'default' : 'success'}>{dropped ? `dropped${c.cause ? ` · ${c.cause}` : ''}` : 'kept'}</State>}
          {(dropped || !result || c.because) && <span>{c.reason}</span>}
          {(c.hurdles ?? []).map((hurdle) => <Box component="span" key={hurdle.reason} data-hurdle={hurdle.cause}><State tone={hurdle.certain ? 'error' : 'warning'}>{hurdle.certain ? 'passed over now' : 'may be passed over now'} · {hurdle.cause}</State> {hurdle.reason}</Box>)}
          {c.called_out && <Box component="span" data-sent sx={{ color: 'text.secondary' }}>sent as {c.calling_out || NONE} → {c.called_out}</Box>}
        </Box>
      </TableCell>
    </TableRow>
  );
}

/** The table; kept candidates first, in the order of trying. */
export function Candidates({ candidates, results }: Props) {
  const currency = candidates.find((c) => c.currency)?.currency;
  const places = placesOf(candidates.flatMap((c) => [c.buy_per_minute, c.margin_per_minute]), 4);
  const chained = new Set(candidates.map((c) => c.plan.id)).size > 1;
  const indexed = candidates.some((c) => typeof c.index === 'number');
  const unit = currency ? ` ${currency}` : '';
  return (
    <Table size="small" sx={{ '& td, & th': { whiteSpace: 'nowrap', px: 1 }, '& td:last-of-type': { whiteSpace: 'normal' }, '& tr:last-child td': { borderBottom: 0 } }}>
      <TableHead>
        <TableRow>
          <TableCell align="right">#</TableCell>
          <TableCell>Terminator</TableCell>
          <TableCell>Trunk</TableCell>
          <TableCell align="right"><Defined figure="buyPerMinute">Buy/min{unit}</Defined></TableCell>
          <TableCell align="right"><Defined figure="margin">Margin/min</Defined></TableCell>
          <TableCell align="right">%</TableCell>
          {indexed && <TableCell align="right"><Defined figure="qualityIndex">Index</Defined></TableCell>}
          <TableCell>Result and reason</TableCell>
        </TableRow>
      </TableHead>
      <TableBody>
        {candidates.map((c) => <Row key={`${c.plan.id} ${c.egress_trunk.id} ${c.because ?? ''}`} candidate={c} places={places} chained={chained} indexed={indexed} result={c.verdict === 'kept' ? results?.get(c.egress_trunk.id) : undefined} />)}
      </TableBody>
    </Table>
  );
}
