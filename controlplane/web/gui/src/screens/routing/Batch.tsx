/** Many simulated calls: a CSV in, a table to look at, a CSV to take away. */
import { useRef, useState } from 'react';
import { Box, Button, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import Download from '@mui/icons-material/DownloadOutlined';
import { api, body, type Schemas } from '../../api/http';
import { State } from '../../common/Fact';
import { count } from '../../common/format';
import { Panel, Trouble } from '../../common/Panel';

type Row = Schemas['BatchRow'];
type Form = 'csv' | 'ndjson';

const TONE: Record<Row['outcome'], 'success' | 'warning' | 'error'> = { routed: 'success', refused: 'warning', wrong: 'error' };

/** Rows that are drawn; the file that is taken away has all. */
const ROWS_MAX = 200;

async function send(text: string, format: Form): Promise<string> {
  const told: unknown = await body(api.POST('/api/v1/route:simulate-batch', {
    params: { query: { format } },
    body: text,
    bodySerializer: (csv: string) => csv,
    headers: { 'content-type': 'text/csv' },
    parseAs: 'text',
  }));
  return String(told);
}

function save(name: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

function Rows({ rows }: { rows: Row[] }) {
  const sum = (outcome: Row['outcome']) => rows.filter((row) => row.outcome === outcome).length;
  return (
    <>
      <Box sx={{ my: 1.5, fontSize: '0.78rem' }} data-batch-sums>{count(rows.length)} rows: <b>{count(sum('routed'))}</b> routed, <b>{count(sum('refused'))}</b> refused, <b>{count(sum('wrong'))}</b> cannot be read</Box>
      <Box sx={{ maxHeight: 420, overflow: 'auto', border: 1, borderColor: 'divider', borderRadius: 1 }}>
        <Table size="small" stickyHeader>
          <TableHead><TableRow><TableCell>Line</TableCell><TableCell>To</TableCell><TableCell>Outcome</TableCell><TableCell>Terminator</TableCell><TableCell>Routes</TableCell><TableCell align="right">Sell</TableCell><TableCell align="right">Buy</TableCell><TableCell>Why</TableCell><TableCell>At this moment</TableCell></TableRow></TableHead>
          <TableBody>
            {rows.slice(0, ROWS_MAX).map((row) => (
              <TableRow key={row.row}>
                <TableCell>{row.row}</TableCell><TableCell>{row.called}</TableCell><TableCell><State tone={TONE[row.outcome]}>{row.outcome}</State></TableCell><TableCell>{row.terminator}</TableCell>
                <TableCell>{row.routes}</TableCell><TableCell align="right">{row.sell_price}</TableCell><TableCell align="right">{row.buy_price}</TableCell><TableCell>{row.cause ? `${row.cause} ` : ''}{row.reason}</TableCell>
                <TableCell data-batch-now>{row.now_cause ? <State tone="error">would be refused · {row.now_cause}</State> : null} {row.now}{row.limits_unknown ? ` (not looked at: ${row.limits_unknown})` : ''}</TableCell>
              </TableRow>
            ))}
          </TableBody>
        </Table>
      </Box>
      {rows.length > ROWS_MAX && <Box sx={{ fontSize: '0.715rem', color: 'text.secondary', mt: 0.5 }}>The first {ROWS_MAX} are shown; the file has all.</Box>}
    </>
  );
}

/** The panel. */
export function Batch() {
  const input = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<{ name: string; text: string } | null>(null);
  const [rows, setRows] = useState<Row[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const guarded = async (work: () => Promise<void>) => {
    setBusy(true);
    setError(null);
    await work().catch(setError);
    setBusy(false);
  };
  const take = (chosen: File | undefined) => guarded(async () => {
    if (!chosen) return;
    const text = await chosen.text();
    setRows(null);
    setFile({ name: chosen.name, text });
    const told = await send(text, 'ndjson');
    setRows(told.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Row));
  });
  const fetch = () => guarded(async () => {
    if (file) save(file.name.replace(/(\.csv)?$/, '.simulated.csv'), await send(file.text, 'csv'));
  });
  return (
    <Panel title="Many calls" note="a CSV with the columns called and ingress_trunk (or source); calling, at, seed and talk_ms if you like" sx={{ mb: 1.5 }}>
      <Box sx={{ display: 'flex', gap: 1, alignItems: 'center', flexWrap: 'wrap' }}>
        <input ref={input} type="file" accept=".csv,text/csv,text/plain" hidden onChange={(event) => void take(event.target.files?.[0])} data-batch-file />
        <Button variant="outlined" onClick={() => input.current?.click()} disabled={busy}>{file ? 'Choose another file' : 'Choose a CSV file'}</Button>
        {file && <Box component="span" sx={{ fontSize: '0.78rem' }}><b>{file.name}</b></Box>}
        <Box sx={{ flex: 1 }} />
        {rows && <Button variant="contained" startIcon={<Download />} disabled={busy} onClick={() => void fetch()}>Download the answers</Button>}
      </Box>
      {error !== null && <Box sx={{ mt: 1.5 }}><Trouble error={error} /></Box>}
      {rows && <Rows rows={rows} />}
    </Panel>
  );
}
