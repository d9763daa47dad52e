/** What a carrier's file would change: sums, problems, the lines, the money. */
import { useState } from 'react';
import { Alert, Box, Button, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { State, When } from '../../common/Fact';
import { count, decimal, percent, placesOf } from '../../common/format';
import { Trouble } from '../../common/Panel';

type Kind = Schemas['ChangeKind'];
type Change = Schemas['RateChange'];
type Sheet = Schemas['Review'];

const TONE: Record<Kind, 'info' | 'error' | 'success' | 'default' | 'warning'> = { new: 'info', increase: 'error', decrease: 'success', unchanged: 'default', closed: 'warning', blocked: 'warning' };

const FLAGS: Record<string, string> = { notice: 'short notice', marker: 'the carrier says', guard: 'above the guard' };

/** Lines of one page. */
const ROWS = 100;

function Sums({ review, chosen, onChoose }: { review: Sheet; chosen: string; onChoose: (kind: string) => void }) {
  const parts: [Kind, number][] = [['new', review.new], ['increase', review.increased], ['decrease', review.decreased], ['unchanged', review.unchanged], ['closed', review.closed], ['blocked', review.blocked]];
  const flagged = review.disagreements + review.notice_violations;
  return (
    <Box sx={{ display: 'flex', flexWrap: 'wrap', gap: 1, my: 1.5 }} data-import-sums>
      {parts.map(([kind, value]) => (
        <Button key={kind} variant={chosen === kind ? 'contained' : 'outlined'} color={TONE[kind] === 'default' ? 'inherit' : TONE[kind] as 'info'} disabled={value === 0} onClick={() => onChoose(chosen === kind ? '' : kind)}>
          {kind}&nbsp;<b>{count(value)}</b>
        </Button>
      ))}
      <Button variant={chosen === 'flagged' ? 'contained' : 'outlined'} color="warning" disabled={flagged === 0} onClick={() => onChoose(chosen === 'flagged' ? '' : 'flagged')}>flagged&nbsp;<b>{count(flagged)}</b></Button>
    </Box>
  );
}

function Cells({ title, severity, rows, total }: { title: string; severity: 'error' | 'info'; rows: Schemas['RowProblem'][]; total: number }) {
  if (total === 0) return null;
  return (
    <Alert severity={severity} variant="outlined" sx={{ mb: 1.5 }}>
      <b>{count(total)} {title}</b>
      <Box component="ul" sx={{ m: 0, pl: 2, maxHeight: 160, overflow: 'auto' }}>
        {rows.map((row) => <li key={`${row.row}/${row.column}/${row.message}`}>line {row.row}{row.column > 0 && `, column ${row.column}`}: {row.message}{row.repair && <> — perhaps <b>{row.repair}</b>?</>}</li>)}
      </Box>
    </Alert>
  );
}

function Money({ review, currency }: { review: Sheet; currency: string }) {
  const before = Number(review.cost_before);
  const change = before > 0 ? ((Number(review.cost_after) - before) / before) * 100 : undefined;
  return (
    <Box sx={{ fontSize: '0.85rem', mb: 1.5 }}>
      {review.minutes === 0
        ? 'No call of the last seven days went over this deck.'
        : <>Last seven days: {count(review.minutes)} min, <b>{decimal(review.cost_before, 2)}</b> by the rates that stand, <b>{decimal(review.cost_after, 2)} {currency}</b> by these ({percent(change)}){review.minutes_lost > 0 && <>; {count(review.minutes_lost)} min would have no rate</>}.</>}
      {review.broken_count > 0 && (
        <Alert severity="warning" variant="outlined" sx={{ mt: 1 }}>
          <b>{count(review.broken_count)} destinations would be sold below cost.</b>
          <Box component="ul" sx={{ m: 0, pl: 2, maxHeight: 140, overflow: 'auto' }}>
            {review.broken.map((row) => <li key={`${row.deck.id}/${row.prefix}`}>{row.prefix} {row.destination}: sold at {row.sell_per_minute}, costs {row.buy_per_minute} (deck {row.deck.code})</li>)}
          </Box>
        </Alert>
      )}
    </Box>
  );
}

function Line({ change, places }: { change: Change; places: number }) {
  const flag = (name: string) => (name === 'marker' ? `${FLAGS['marker']} ${change.marker ?? ''}` : FLAGS[name] ?? name);
  return (
    <TableRow>
      <TableCell>{change.prefix}</TableCell><TableCell>{change.destination}</TableCell><TableCell><State tone={TONE[change.kind]}>{change.kind}</State></TableCell>
      <TableCell align="right">{decimal(change.old_per_minute, places)}</TableCell><TableCell align="right">{decimal(change.new_per_minute, places)}</TableCell><TableCell align="right">{percent(change.change_percent)}</TableCell>
      <TableCell><When at={change.effective_from} part="minute" /></TableCell>
      <TableCell align="right">{typeof change.minutes === 'number' ? count(change.minutes) : ''}</TableCell><TableCell align="right">{change.impact ? decimal(change.impact, 2) : ''}</TableCell>
      <TableCell title="What calls of 1, 31 and 61 seconds cost">{change.examples.join(' · ')}</TableCell>
      <TableCell>{change.flags.map((name) => <State key={name} tone="warning">{flag(name)}</State>)}{typeof change.row === 'number' && ` line ${change.row}`}</TableCell>
    </TableRow>
  );
}

/** The lines of an open import, by kind and page. */
export function Review({ id, review, currency }: { id: string; review: Sheet; currency: string }) {
  const [chosen, setChosen] = useState('');
  const [cursor, setCursor] = useState<string | undefined>(undefined);
  const choose = (kind: string) => {
    setChosen(kind);
    setCursor(undefined);
  };
  const query = { kind: chosen === '' || chosen === 'flagged' ? undefined : chosen as Kind, flagged: chosen === 'flagged', limit: ROWS, cursor };
  const changes = useQuery({
    queryKey: ['import', id, 'changes', query, review],
    queryFn: () => body(api.GET('/api/v1/imports/{id}/changes', { params: { path: { id }, query } })),
    placeholderData: keepPreviousData,
  });
  if (review.unreadable) return <Alert severity="error" variant="outlined" sx={{ mt: 1.5 }}>{review.unreadable}</Alert>;
  const rows = changes.data?.data ?? [];
  const places = placesOf(rows.flatMap((change) => [change.old_per_minute, change.new_per_minute]), 4);
  const next = changes.data?.next_cursor;
  const unread = review.columns.filter((column) => column.means === undefined || column.means === null);
  return (
    <>
      <Sums review={review} chosen={chosen} onChoose={choose} />
      <Box sx={{ fontSize: '0.78rem', color: 'text.secondary', mb: 1 }}>
        Read as: {review.columns.filter((column) => column.means).map((column) => `${column.name} → ${column.means}`).join(', ') || 'nothing'}{unread.length > 0 && `; not read: ${unread.map((column) => column.name).join(', ')}`}
      </Box>
      <Money review={review} currency={currency} />
      <Cells title="cells could not be taken; their rows are left out" severity="error" rows={review.problems} total={review.problem_count} />
      <Cells title="cells are worth a look" severity="info" rows={review.warnings} total={review.warning_count} />
      {review.guards.map((guard) => <Alert key={guard} severity="warning" variant="outlined" sx={{ mb: 1.5 }}>A second user must approve: {guard}.</Alert>)}
      <Trouble error={changes.error} retry={() => void changes.refetch()} />
      <Box sx={{ maxHeight: 380, overflow: 'auto', border: 1, borderColor: 'divider', borderRadius: 1 }}>
        <Table size="small" stickyHeader>
          <TableHead><TableRow><TableCell>Prefix</TableCell><TableCell>Destination</TableCell><TableCell>What</TableCell><TableCell align="right">Old</TableCell><TableCell align="right">New</TableCell><TableCell align="right">Change</TableCell><TableCell>From</TableCell><TableCell align="right">7 d min</TableCell><TableCell align="right">Impact</TableCell><TableCell>1 · 31 · 61 s</TableCell><TableCell>Flags</TableCell></TableRow></TableHead>
          <TableBody>
            {rows.map((change) => <Line key={`${change.prefix}/${change.effective_from}/${change.kind}`} change={change} places={places} />)}
            {rows.length === 0 && !changes.isPending && <TableRow><TableCell colSpan={11}>No line is of this kind.</TableCell></TableRow>}
          </TableBody>
        </Table>
      </Box>
      <Box sx={{ display: 'flex', gap: 1, mt: 1 }}>
        {cursor && <Button onClick={() => setCursor(undefined)}>« first</Button>}
        {next && <Button variant="outlined" onClick={() => setCursor(next)}>more →</Button>}
      </Box>
    </>
  );
}
