/** Calls of a period priced once more after a deck was corrected: a report before and after, booked once. */
import { useState } from 'react';
import { Button, Dialog, DialogActions, DialogContent, DialogTitle, Table, TableBody, TableCell, TableHead, TableRow, Typography } from '@mui/material';
import Add from '@mui/icons-material/AddOutlined';
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { useAccounts, useDecks } from '../../api/objects';
import { State, When } from '../../common/Fact';
import { Confirm, FormDialog, type Field, type Values } from '../../common/Form';
import { count, decimal, talk } from '../../common/format';
import { May } from '../../common/May';
import { Empty, Panel, Trouble } from '../../common/Panel';
import { monthBefore } from './Invoices';

type Rerating = Schemas['Rerating'];
type Line = Schemas['RerateLine'];

const number = (row: { id: string }) => row.id.replace('rrt_', '');

/** What the form sends. */
export function reratingBody(values: Values): Schemas['ReratingNew'] {
  const text = (name: string) => (typeof values[name] === 'string' && values[name] !== '' ? String(values[name]) : null);
  return { account: String(values['account'] ?? ''), deck: text('deck'), priced_by: text('priced_by'), month: text('month'), from: null, till: null, why: String(values['why'] ?? '') };
}

/** What a line is called. */
export function lineName(line: Pick<Line, 'kind' | 'destination' | 'prefix_before' | 'prefix_after'>): string {
  if (line.kind === 'same') return 'All others, as they were';
  const prefixes = line.prefix_before === line.prefix_after || line.kind === 'unrated' ? line.prefix_before : `${line.prefix_before} → ${line.prefix_after}`;
  const name = [prefixes, line.destination].filter((part) => part !== '').join(' ');
  return line.kind === 'unrated' ? `${name}: no rate now, keeps its price` : name;
}

function state(row: Rerating) {
  if (row.undone_at) return <State tone="default">booked back</State>;
  return row.booked_at ? <State tone="success">booked</State> : <State tone="info">report</State>;
}

function Sums({ sums }: { sums: Schemas['RerateSums'] }) {
  return (
    <>
      <TableCell align="right">{count(sums.calls)}</TableCell>
      <TableCell align="right">{talk(sums.talked_ms)}</TableCell>
      <TableCell align="right">{decimal(sums.before)}</TableCell>
      <TableCell align="right">{decimal(sums.after)}</TableCell>
      <TableCell align="right" sx={{ fontWeight: 600 }}>{decimal(sums.difference)}</TableCell>
    </>
  );
}

const SUMS = ['Calls', 'Talked', 'Was', 'Is', 'Difference'].map((name) => <TableCell key={name} align="right">{name}</TableCell>);

/** The report with its lines, and what may be done with it. */
function Report({ id, onClose, onDo }: { id: string; onClose: () => void; onDo: (row: Rerating) => void }) {
  const report = useQuery({ queryKey: ['reratings', id], queryFn: () => body(api.GET('/api/v1/reratings/{id}', { params: { path: { id } } })) });
  const whole = report.data;
  const row = whole?.rerating;
  const mayChange = row && !row.undone_at && (row.booked_at !== null || (whole.booked_before.length === 0 && /[1-9]/.test(row.sums.difference)));
  return (
    <Dialog open onClose={onClose} maxWidth="lg" fullWidth>
      <DialogTitle variant="h1">Re-rating {number({ id })}{row ? ` of ${row.account.code}, ${row.currency} with tax` : ''}</DialogTitle>
      <DialogContent>
        <Trouble error={report.error} />
        {row && (
          <>
            <Typography sx={{ mb: 1 }} dir="auto">{row.why}. Calls that began <When at={row.from} /> – <When at={row.till} />{row.deck ? `, charged by ${row.deck.code}` : ''}{row.priced_by ? `, priced by ${row.priced_by.code}` : ''}.</Typography>
            {whole.invoices.length > 0 && <Typography sx={{ mb: 1 }}>Invoice {whole.invoices.map((invoice) => invoice.replace('inv_', '')).join(', ')} has calls of that time and keeps the prices that they were charged: what is booked here stands beside it.</Typography>}
            {whole.booked_before.length > 0 && <Typography color="warning" sx={{ mb: 1 }}>Re-rating {whole.booked_before.map((other) => number({ id: other })).join(', ')} of such calls is booked: while it is, this one cannot be.</Typography>}
            <Table size="small" sx={{ '& td, & th': { whiteSpace: 'nowrap' } }}>
              <TableHead><TableRow><TableCell>Destination</TableCell><TableCell align="right">A minute was</TableCell><TableCell align="right">is</TableCell>{SUMS}</TableRow></TableHead>
              <TableBody>
                {whole.lines.map((line) => (
                  <TableRow key={`${line.kind} ${line.prefix_before} ${line.prefix_after} ${line.per_minute_before} ${line.per_minute_after} ${line.rate_currency}`}>
                    <TableCell dir="auto">{lineName(line)}</TableCell>
                    <TableCell align="right">{line.kind === 'same' ? '' : decimal(line.per_minute_before, 4)}</TableCell>
                    <TableCell align="right">{line.kind === 'changed' ? `${decimal(line.per_minute_after, 4)} ${line.rate_currency}` : ''}</TableCell>
                    <Sums sums={line.sums} />
                  </TableRow>
                ))}
                <TableRow><TableCell colSpan={3} sx={{ fontWeight: 600 }}>Sum</TableCell><Sums sums={row.sums} /></TableRow>
              </TableBody>
            </Table>
          </>
        )}
      </DialogContent>
      <DialogActions sx={{ px: 3, pb: 2 }}>
        <Button onClick={onClose}>Close</Button>
        {mayChange && <May to="money:write"><Button color={row.booked_at ? 'error' : 'primary'} onClick={() => onDo(row)}>{row.booked_at ? 'Book back' : 'Book the difference'}</Button></May>}
      </DialogActions>
    </Dialog>
  );
}

/** The form; it waits for the accounts and decks that it chooses from. */
function New({ onClose, onMade }: { onClose: () => void; onMade: (made: Rerating) => Promise<unknown> }) {
  const [accounts, decks] = [useAccounts(), useDecks()];
  if (!accounts.data || !decks.data) return <Trouble error={accounts.error ?? decks.error} />;
  const named = decks.data.map(({ id, code }) => ({ value: id, text: code }));
  const fields: Field[] = [
    { name: 'account', label: 'Account', kind: 'choice', choices: accounts.data.map(({ id, code, carrier }) => ({ value: id, text: `${code} (${carrier.code})` })) },
    { name: 'month', label: 'Month', kind: 'text', help: 'such as 2026-10, in the account’s zone' },
    { name: 'deck', label: 'Charged by', kind: 'choice', optional: true, choices: [{ value: '', text: 'any deck' }, ...named] },
    { name: 'priced_by', label: 'Priced now by', kind: 'choice', optional: true, choices: [{ value: '', text: 'the deck that each was charged by' }, ...named] },
    { name: 'why', label: 'Why', kind: 'text', help: 'it stands in the ledger' },
  ];
  return (
    <FormDialog title="New re-rating" verb="Report" fields={fields} start={{ account: accounts.data[0]?.id ?? '', month: monthBefore(new Date()) }} onClose={onClose}
      onSend={async (values) => {
        const made = await body(api.POST('/api/v1/reratings', { body: reratingBody(values) }));
        await onMade(made.rerating);
      }} />
  );
}

/** The panel. */
export function Reratings() {
  const queries = useQueryClient();
  const [adding, setAdding] = useState(false);
  const [shown, setShown] = useState<string | null>(null);
  const [doing, setDoing] = useState<Rerating | null>(null);
  const all = useInfiniteQuery({
    queryKey: ['reratings'],
    queryFn: ({ pageParam }) => body(api.GET('/api/v1/reratings', { params: { query: { limit: 50, cursor: pageParam } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
  const rows = all.data?.pages.flatMap((part) => part.data) ?? [];
  const again = () => queries.invalidateQueries({ queryKey: ['reratings'] });
  const verb = doing?.booked_at ? 'undo' : 'book';
  return (
    <Panel title="Re-ratings" flush tools={<May to="money:write"><Button startIcon={<Add />} onClick={() => setAdding(true)}>New re-rating</Button></May>}>
      <Trouble error={all.error} />
      {all.data && rows.length === 0 && <Empty title="No re-rating yet">After a deck was corrected, a re-rating prices the calls of a period once more and shows the difference by destination. Nothing moves until it is booked.</Empty>}
      {rows.length > 0 && (
        <Table size="small" sx={{ '& td, & th': { whiteSpace: 'nowrap' }, '& tr:last-child td': { borderBottom: 0 } }}>
          <TableHead><TableRow><TableCell>Number</TableCell><TableCell>Account</TableCell><TableCell>Calls that began</TableCell>{SUMS}<TableCell>State</TableCell><TableCell>Why</TableCell></TableRow></TableHead>
          <TableBody>
            {rows.map((row) => (
              <TableRow key={row.id} hover>
                <TableCell><Button aria-label={`Show re-rating ${number(row)}`} onClick={() => setShown(row.id)}>{number(row)}</Button></TableCell>
                <TableCell>{row.account.code}, {row.currency}</TableCell>
                <TableCell><When at={row.from} /> – <When at={row.till} /></TableCell>
                <Sums sums={row.sums} />
                <TableCell>{state(row)}</TableCell>
                <TableCell sx={{ maxWidth: 260, overflow: 'hidden', textOverflow: 'ellipsis' }} dir="auto" title={row.why}>{row.why}</TableCell>
              </TableRow>
            ))}
          </TableBody>
        </Table>
      )}
      {all.hasNextPage && <Button onClick={() => void all.fetchNextPage()}>More</Button>}
      {adding && <New onClose={() => setAdding(false)} onMade={async (made) => { setShown(made.id); await again(); }} />}
      {shown !== null && doing === null && <Report id={shown} onClose={() => setShown(null)} onDo={setDoing} />}
      {doing && (
        <Confirm title={verb === 'undo' ? `Book re-rating ${number(doing)} back?` : `Book re-rating ${number(doing)}?`} verb={verb === 'undo' ? 'Book back' : 'Book'} onClose={() => setDoing(null)}
          onSend={async () => {
            const path = { params: { path: { id: doing.id } } };
            await (verb === 'undo' ? body(api.POST('/api/v1/reratings/{id}/undo', path)) : body(api.POST('/api/v1/reratings/{id}/book', path)));
            await again();
          }}>
          One correction of {decimal(doing.sums.difference)} {doing.currency} {verb === 'undo' ? 'is taken back' : 'is charged; below 0 it is given back'}, on account {doing.account.code}. The records of the calls and their invoices stay as they are.
        </Confirm>
      )}
    </Panel>
  );
}
