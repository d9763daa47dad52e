/** A file of rates: first what would change, then, if wanted, the change. */
import { useRef, useState } from 'react';
import { Alert, Box, Button, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { State } from '../../common/Fact';
import { bytes, count, decimal, percent, placesOf } from '../../common/format';
import { Panel, Trouble } from '../../common/Panel';

type Report = Schemas['ImportReport'];
type Kind = Report['changes'][number]['kind'];

const TONE: Record<Kind, 'info' | 'error' | 'success' | 'default' | 'warning'> = { new: 'info', increase: 'error', decrease: 'success', unchanged: 'default', closed: 'warning' };

/** Rows of the preview that are drawn; the sums speak for all. */
const ROWS_MAX = 200;

function send(deck: string, text: string, dry_run: boolean): Promise<Report> {
  return body(api.POST('/api/v1/decks/{id}/rates:import', {
    params: { path: { id: deck }, query: { dry_run } },
    body: text,
    bodySerializer: (csv: string) => csv,
    headers: { 'content-type': 'text/csv' },
  }));
}

function Sums({ report, chosen, onChoose }: { report: Report; chosen: Kind | ''; onChoose: (kind: Kind | '') => void }) {
  const parts: [Kind, number][] = [['new', report.new], ['increase', report.increased], ['decrease', report.decreased], ['unchanged', report.unchanged], ['closed', report.closed]];
  return (
    <Box sx={{ display: 'flex', flexWrap: 'wrap', gap: 1, my: 1.5 }} data-import-sums>
      {parts.map(([kind, value]) => (
        <Button key={kind} variant={chosen === kind ? 'contained' : 'outlined'} color={TONE[kind] === 'default' ? 'inherit' : TONE[kind] as 'info'} disabled={value === 0 || kind === 'unchanged'} onClick={() => onChoose(chosen === kind ? '' : kind)}>
          {kind}&nbsp;<b>{count(value)}</b>
        </Button>
      ))}
    </Box>
  );
}

function Preview({ report }: { report: Report }) {
  const [kind, setKind] = useState<Kind | ''>('');
  const places = placesOf(report.changes.flatMap((change) => [change.old_per_minute, change.new_per_minute]), 4);
  const rows = report.changes.filter((change) => kind === '' || change.kind === kind);
  return (
    <>
      <Sums report={report} chosen={kind} onChoose={setKind} />
      {report.problems.length > 0 && (
        <Alert severity="error" variant="outlined" sx={{ mb: 1.5 }}>
          <b>{count(report.problems.length)} problems. A file with a problem is not taken.</b>
          <Box component="ul" sx={{ m: 0, pl: 2, maxHeight: 160, overflow: 'auto' }}>
            {report.problems.map((problem) => <li key={`${problem.row}/${problem.column}/${problem.message}`}>line {problem.row}{problem.column > 0 && `, column ${problem.column}`}: {problem.message}</li>)}
          </Box>
        </Alert>
      )}
      <Box sx={{ maxHeight: 340, overflow: 'auto', border: 1, borderColor: 'divider', borderRadius: 1 }}>
        <Table size="small" stickyHeader>
          <TableHead><TableRow><TableCell>Prefix</TableCell><TableCell>Destination</TableCell><TableCell>What</TableCell><TableCell align="right">In the deck</TableCell><TableCell align="right">In the file</TableCell><TableCell align="right">Change</TableCell></TableRow></TableHead>
          <TableBody>
            {rows.slice(0, ROWS_MAX).map((change) => (
              <TableRow key={`${change.prefix}/${change.effective_from}`}>
                <TableCell>{change.prefix}</TableCell><TableCell>{change.destination}</TableCell><TableCell><State tone={TONE[change.kind]}>{change.kind}</State></TableCell>
                <TableCell align="right">{decimal(change.old_per_minute, places)}</TableCell><TableCell align="right">{decimal(change.new_per_minute, places)}</TableCell><TableCell align="right">{percent(change.change_percent)}</TableCell>
              </TableRow>
            ))}
            {rows.length === 0 && <TableRow><TableCell colSpan={6}>{report.changes.length > 0 ? `None of these is among the first ${count(report.changes.length)} changes, which are all that the preview holds.` : 'The deck already holds these rates.'}</TableCell></TableRow>}
          </TableBody>
        </Table>
      </Box>
      {(report.changes_cut || rows.length > ROWS_MAX) && <Box sx={{ fontSize: '0.715rem', color: 'text.secondary', mt: 0.5 }}>The first {count(Math.min(rows.length, ROWS_MAX))} are shown; the sums above count all.</Box>}
    </>
  );
}

/** The panel. */
export function Import({ deck, onClose }: { deck: Schemas['Deck']; onClose: () => void }) {
  const queries = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<{ name: string; text: string } | null>(null);
  const [report, setReport] = useState<Report | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const run = async (text: string, dry: boolean) => {
    setBusy(true);
    setError(null);
    try {
      setReport(await send(deck.id, text, dry));
      if (!dry) await queries.invalidateQueries();
    } catch (reason) {
      setError(reason);
    }
    setBusy(false);
  };
  const take = async (chosen: File | undefined) => {
    if (!chosen) return;
    const text = await chosen.text();
    setFile({ name: chosen.name, text });
    setReport(null);
    await run(text, true);
  };
  const ready = report !== null && !report.applied && report.problems.length === 0;
  return (
    <Panel title="Import" note="a file replaces the whole deck: prefixes that it lacks are closed" sx={{ mb: 1.5 }} tools={<Button onClick={onClose}>Close</Button>}>
      <Box sx={{ display: 'flex', gap: 1, alignItems: 'center', flexWrap: 'wrap' }}>
        <input ref={input} type="file" accept=".csv,text/csv,text/plain" hidden onChange={(event) => void take(event.target.files?.[0])} data-import-file />
        <Button variant="outlined" onClick={() => input.current?.click()} disabled={busy}>{file ? 'Choose another file' : 'Choose a CSV file'}</Button>
        {file && <Box component="span" sx={{ fontSize: '0.78rem' }}><b>{file.name}</b>, {bytes(file.text.length)}{report && `, ${count(report.rows)} rates`}</Box>}
        <Box sx={{ flex: 1 }} />
        {ready && file && <Button variant="contained" disabled={busy} onClick={() => void run(file.text, false)}>Apply to {deck.code}</Button>}
      </Box>
      {error !== null && <Box sx={{ mt: 1.5 }}><Trouble error={error} /></Box>}
      {report?.applied && <Alert severity="success" variant="outlined" sx={{ mt: 1.5 }}>The deck holds the file’s {count(report.rows)} rates. They are in force with the next snapshot, within a second.</Alert>}
      {report && !report.applied && <Preview report={report} />}
    </Panel>
  );
}
