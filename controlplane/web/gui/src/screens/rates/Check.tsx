/** What every carrier asks for a number, or for a list of them: now and on another day. */
import { useState, type FormEvent } from 'react';
import { Box, Button, Table, TableBody, TableCell, TableHead, TableRow, TextField } from '@mui/material';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { useEgressTrunks, useIngressTrunks } from '../../api/objects';
import { State } from '../../common/Fact';
import { decimal, NONE, placesOf } from '../../common/format';
import { Empty, Head, Panel, Trouble } from '../../common/Panel';
import { useFilters } from '../../common/url';

type Row = Schemas['RateCheck'];

function check(number: string, at?: string): Promise<{ data: Row[] }> {
  return body(api.GET('/api/v1/rates:check', { params: { query: { number, at } } }));
}

/** Lines, commas and semicolons end a number; spaces, dashes, dots and brackets within one are left out. */
export function numbersOf(text: string): string {
  return text.split(/[\n,;]+/).map((number) => number.replace(/[\s().-]/g, '')).filter((number) => number !== '').join(',');
}

function Price({ row, places }: { row: Row | undefined; places: number }) {
  if (row?.blocked) return <State tone="error">blocked</State>;
  return <>{row?.per_minute === undefined || row.per_minute === null ? NONE : decimal(row.per_minute, places)}</>;
}

function Side({ row }: { row: Row }) {
  if (row.blocked || (!row.cheapest && !row.dearest)) return null;
  return <State tone={row.cheapest ? 'success' : 'warning'}>{row.cheapest ? 'cheapest' : 'dearest'}</State>;
}

function useCarriers(): (deck: string) => string {
  const [ingress, egress] = [useIngressTrunks(), useEgressTrunks()];
  return (deck) => {
    const sells = ingress.data?.filter((trunk) => trunk.sell_deck.id === deck).map((trunk) => trunk.carrier.code) ?? [];
    const buys = egress.data?.filter((trunk) => trunk.buy_deck.id === deck).map((trunk) => trunk.carrier.code) ?? [];
    return [...new Set([...sells.map((code) => `to ${code}`), ...buys.map((code) => `from ${code}`)])].join(', ') || NONE;
  };
}

/** The screen. */
export default function Check() {
  const [query, set] = useFilters();
  const [number, at] = [query.get('number') ?? '', query.get('at') ?? ''];
  const [text, setText] = useState(number.replaceAll(',', '\n'));
  const [day, setDay] = useState(at);
  const carriers = useCarriers();
  const ask = (moment?: string) => ({ queryKey: ['check', number, moment], queryFn: () => check(number, moment), enabled: number !== '', placeholderData: keepPreviousData });
  const now = useQuery(ask());
  const then = useQuery({ ...ask(at), enabled: number !== '' && at !== '' });
  const rows = now.data?.data ?? [];
  const later = (row: Row) => then.data?.data.find((other) => other.number === row.number && other.deck.id === row.deck.id);
  const places = placesOf([...rows, ...(then.data?.data ?? [])].map((row) => row.per_minute), 4);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    set({ number: numbersOf(text), at: day.trim() }, true);
  };
  return (
    <>
      <Head title="Rate check" note="what calls are rated by: every deck of the snapshot in force, one number or a list" />
      <Box component="form" onSubmit={submit} sx={{ display: 'flex', gap: 1.5, alignItems: 'flex-start', flexWrap: 'wrap', mb: 1.5 }}>
        <TextField name="numbers" label="Numbers or prefixes" multiline minRows={1} maxRows={6} value={text} onChange={(event) => setText(event.target.value)} helperText="One a line, 100 at most" sx={{ width: 260 }} />
        <TextField name="at" label="And at" value={day} onChange={(event) => setDay(event.target.value)} helperText="As 2026-01-31T00:00:00Z; empty for now only" sx={{ width: 260 }} />
        <Button type="submit" variant="contained">Look up</Button>
      </Box>
      <Trouble error={now.error ?? then.error} retry={() => void now.refetch()} />
      <Panel flush>
        {rows.length === 0 && <Empty title={number === '' ? 'Which number?' : 'There is no deck'}>Each deck answers with its longest prefix, as it would for a call: who sells, who buys, at what price, and who is cheapest.</Empty>}
        {rows.length > 0 && (
          <Table size="small" data-check>
            <TableHead><TableRow><TableCell>Number</TableCell><TableCell>Deck</TableCell><TableCell>Carriers</TableCell><TableCell>Prefix</TableCell><TableCell>Destination</TableCell><TableCell align="right">Now, a minute</TableCell>{at !== '' && <TableCell align="right">Then</TableCell>}<TableCell align="right">Fee</TableCell><TableCell>Min/step</TableCell><TableCell>Currency</TableCell><TableCell component="td" /></TableRow></TableHead>
            <TableBody>
              {rows.map((row) => (
                <TableRow key={`${row.number}/${row.deck.id}`} hover>
                  <TableCell>{row.number}</TableCell><TableCell><b>{row.deck.code}</b></TableCell><TableCell>{carriers(row.deck.id)}</TableCell><TableCell>{row.prefix ?? NONE}</TableCell><TableCell>{row.destination}</TableCell>
                  <TableCell align="right"><Price row={row} places={places} /></TableCell>{at !== '' && <TableCell align="right"><Price row={later(row)} places={places} /></TableCell>}
                  <TableCell align="right">{decimal(row.connection_fee, places)}</TableCell><TableCell>{row.steps}</TableCell><TableCell>{row.currency}</TableCell><TableCell><Side row={row} /></TableCell>
                </TableRow>
              ))}
            </TableBody>
          </Table>
        )}
      </Panel>
    </>
  );
}
