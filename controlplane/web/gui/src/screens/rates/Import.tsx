/** A carrier's file, or a change of many rates: kept, looked at, approved, and only then applied. */
import { useRef, useState } from 'react';
import { Alert, Box, Button, Checkbox, FormControlLabel } from '@mui/material';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { When } from '../../common/Fact';
import { FormDialog } from '../../common/Form';
import { bytes, count } from '../../common/format';
import { Panel, Trouble } from '../../common/Panel';
import { CHANGE_FIELDS, TERM_FIELDS } from './fields';
import { Review } from './Review';
import { changeOf, fromForm, toForm } from './terms';

type One = Schemas['Import'];

function keep(deck: string, file: File): Promise<One> {
  return body(api.POST('/api/v1/decks/{id}/imports', {
    params: { path: { id: deck }, query: { name: file.name } },
    body: file as unknown as string,
    bodySerializer: (raw: unknown) => raw as BodyInit,
    headers: { 'content-type': 'application/octet-stream' },
  }));
}

/** Earlier files of the deck. */
function Earlier({ deck, onOpen }: { deck: string; onOpen: (id: string) => void }) {
  const imports = useQuery({ queryKey: ['imports', deck], queryFn: () => body(api.GET('/api/v1/decks/{id}/imports', { params: { path: { id: deck } } })) });
  const rows = imports.data?.data ?? [];
  return (
    <Box component="ul" sx={{ m: 0, mt: 1.5, pl: 2, fontSize: '0.82rem', maxHeight: 180, overflow: 'auto' }}>
      {rows.map((row) => (
        <li key={row.id}>
          <When at={row.created_at} part="minute" /> <b>{row.name}</b>, {bytes(row.size)}, {row.created_by}: {row.state}{row.revision !== undefined && row.revision !== null && ` as revision ${row.revision}`} <a href={`/api/v1/imports/${row.id}/file`} download={row.name}>file</a>
          {row.state === 'open' && <Button size="small" onClick={() => onOpen(row.id)}>look at it</Button>}
        </li>
      ))}
    </Box>
  );
}

function Steps({ one, onDone }: { one: One; onDone: (one: One) => void }) {
  const queries = useQueryClient();
  const [skip, setSkip] = useState(false);
  const [remember, setRemember] = useState(true);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const path = { params: { path: { id: one.id } } };
  const run = async (act: () => Promise<One>) => {
    setBusy(true);
    setError(null);
    try {
      onDone(await act());
      await queries.invalidateQueries();
    } catch (reason) {
      setError(reason);
    }
    setBusy(false);
  };
  const review = one.review;
  if (one.state !== 'open' || !review) return null;
  const waits = review.guards.length > 0 && !one.approved_by;
  const blocked = review.unreadable !== undefined && review.unreadable !== null;
  return (
    <Box sx={{ display: 'flex', gap: 1, alignItems: 'center', flexWrap: 'wrap', mt: 1.5 }}>
      {review.problem_count > 0 && <FormControlLabel control={<Checkbox size="small" checked={skip} onChange={(event) => setSkip(event.target.checked)} />} label="Leave rows with problems out" />}
      {one.terms && <FormControlLabel control={<Checkbox size="small" checked={remember} onChange={(event) => setRemember(event.target.checked)} />} label="Read the next sheet in the same way" />}
      <Box sx={{ flex: 1 }} />
      {one.approved_by && <span>approved by {one.approved_by}</span>}
      <Button disabled={busy} onClick={() => void run(() => body(api.POST('/api/v1/imports/{id}/cancel', path)))}>Cancel import</Button>
      {waits && <Button variant="outlined" disabled={busy} onClick={() => void run(() => body(api.POST('/api/v1/imports/{id}/approve', { ...path, body: { seen: review.seen } })))}>Approve</Button>}
      <Button variant="contained" disabled={busy || waits || blocked || (review.problem_count > 0 && !skip)} onClick={() => void run(() => body(api.POST('/api/v1/imports/{id}/apply', { ...path, body: { skip_problems: skip, remember } })))}>Apply, each rate from its date</Button>
      {error !== null && <Box sx={{ width: '100%' }}><Trouble error={error} /></Box>}
    </Box>
  );
}

/** The panel. */
export function Import({ deck, onClose }: { deck: Schemas['Deck']; onClose: () => void }) {
  const queries = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const [one, setOne] = useState<One | null>(null);
  const [asking, setAsking] = useState(false);
  const [changing, setChanging] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const run = async (act: () => Promise<One>) => {
    setBusy(true);
    setError(null);
    try {
      setOne(await act());
      await queries.invalidateQueries({ queryKey: ['imports'] });
    } catch (reason) {
      setError(reason);
    }
    setBusy(false);
  };
  const look = (id: string) => void run(() => body(api.GET('/api/v1/imports/{id}', { params: { path: { id } } })));
  const take = (file: File | undefined) => file && void run(() => keep(deck.id, file));
  return (
    <Panel title="Import" note="a file is kept and looked at first; nothing changes before it is applied" sx={{ mb: 1.5 }} tools={<Button onClick={onClose}>Close</Button>}>
      <Box sx={{ display: 'flex', gap: 1, alignItems: 'center', flexWrap: 'wrap' }}>
        <input ref={input} type="file" accept=".csv,.txt,.xlsx,.xls,.ods,text/csv,text/plain" hidden onChange={(event) => take(event.target.files?.[0])} data-import-file />
        <Button variant="outlined" onClick={() => input.current?.click()} disabled={busy}>{one ? 'Choose another file' : 'Choose a CSV, XLSX, XLS or ODS file'}</Button>
        {one?.change && <Box component="span" sx={{ fontSize: '0.78rem' }}>Change of many rates: {Object.entries(one.change).filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => `${name} ${String(value)}`).join(', ')}{one.review && `, ${count(one.review.rows)} rates`}</Box>}
        {one?.terms && <Box component="span" sx={{ fontSize: '0.78rem' }}><b>{one.name}</b>, {bytes(one.size)}{one.review && `, ${count(one.review.rows)} rates`}, SHA-256 {one.sha256.slice(0, 8)}…</Box>}
        <Box sx={{ flex: 1 }} />
        {one?.state === 'open' && one.terms && <Button variant="outlined" onClick={() => setAsking(true)}>How it is read</Button>}
        {!one && <Button variant="outlined" disabled={busy} onClick={() => setChanging(true)}>Change many rates</Button>}
      </Box>
      {error !== null && <Box sx={{ mt: 1.5 }}><Trouble error={error} /></Box>}
      {one?.state === 'applied' && <Alert severity="success" variant="outlined" sx={{ mt: 1.5 }}>Applied as revision {one.revision}. Rates are in force from their dates, those of now with the next snapshot, within a second.</Alert>}
      {one?.state === 'cancelled' && <Alert severity="info" variant="outlined" sx={{ mt: 1.5 }}>Cancelled. Nothing was changed.</Alert>}
      {one?.review && <Review id={one.id} review={one.review} currency={deck.currency} />}
      {one && <Steps one={one} onDone={setOne} />}
      {!one && <Earlier deck={deck.id} onOpen={look} />}
      {changing && (
        <FormDialog title={`Change many rates of ${deck.code}`} fields={CHANGE_FIELDS} start={{}} verb="Look at it" onClose={() => setChanging(false)}
          onSend={async (values) => {
            setOne(await body(api.POST('/api/v1/decks/{id}/rates:change', { params: { path: { id: deck.id } }, body: changeOf(values) })));
            await queries.invalidateQueries({ queryKey: ['imports'] });
          }} />
      )}
      {asking && one?.terms && (
        <FormDialog title="How the file is read" fields={TERM_FIELDS} start={toForm(one.terms)} verb="Read again" onClose={() => setAsking(false)}
          onSend={async (values) => setOne(await body(api.PUT('/api/v1/imports/{id}/terms', { params: { path: { id: one.id } }, body: fromForm(values, one.terms as Schemas['Terms']) })))} />
      )}
    </Panel>
  );
}
