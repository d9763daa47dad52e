/** What a deck was: every change of its rates, to be compared and undone; and the deck as a file. */
import { useState } from 'react';
import { Box, Button, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { When } from '../../common/Fact';
import { FormDialog } from '../../common/Form';
import { count, decimal } from '../../common/format';
import { Panel, Trouble } from '../../common/Panel';
import { GUARD_FIELDS, TERM_FIELDS } from './fields';
import { fromForm, toForm } from './terms';
import { May } from '../../common/May';

function Difference({ deck, revision }: { deck: string; revision: number }) {
  const changes = useQuery({
    queryKey: ['revision', deck, revision],
    queryFn: () => body(api.GET('/api/v1/decks/{id}/revisions/{revision}/changes', { params: { path: { id: deck, revision }, query: { limit: 100 } } })),
  });
  const rows = changes.data?.data ?? [];
  return (
    <Box sx={{ maxHeight: 220, overflow: 'auto', my: 1 }}>
      <Trouble error={changes.error} retry={() => void changes.refetch()} />
      <Table size="small"><TableBody>
        {rows.map((row) => <TableRow key={`${row.prefix}/${row.effective_from}/${row.kind}`}><TableCell>{row.prefix}</TableCell><TableCell>{row.destination}</TableCell><TableCell>{row.kind}</TableCell><TableCell align="right">{decimal(row.old_per_minute, 4)}</TableCell><TableCell align="right">{decimal(row.new_per_minute, 4)}</TableCell></TableRow>)}
        {rows.length === 0 && !changes.isPending && <TableRow><TableCell>Nothing differs from the deck as it stands.</TableCell></TableRow>}
      </TableBody></Table>
      {changes.data?.next_cursor && 'The first 100 differences are shown.'}
    </Box>
  );
}

/** The panel. */
export function Revisions({ deck, onClose }: { deck: Schemas['Deck']; onClose: () => void }) {
  const queries = useQueryClient();
  const path = { path: { id: deck.id } };
  const revisions = useQuery({ queryKey: ['revisions', deck.id], queryFn: () => body(api.GET('/api/v1/decks/{id}/revisions', { params: path })) });
  const template = useQuery({ queryKey: ['template', deck.id], queryFn: () => body(api.GET('/api/v1/decks/{id}/template', { params: path })) });
  const [shown, setShown] = useState<number | null>(null);
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const restore = async (revision: number) => {
    setError(null);
    try {
      await body(api.POST('/api/v1/decks/{id}/revisions/{revision}/restore', { params: { path: { id: deck.id, revision } } }));
      await queries.invalidateQueries();
    } catch (reason) {
      setError(reason);
    }
  };
  const rows = revisions.data?.data ?? [];
  const file = `/api/v1/decks/${deck.id}/rates:export`;
  return (
    <Panel title="Revisions and files" note="every change of the rates can be undone, the undoing too" sx={{ mb: 1.5 }} tools={<Button onClick={onClose}>Close</Button>}>
      <Box sx={{ display: 'flex', gap: 1, flexWrap: 'wrap', mb: 1 }}>
        <Button variant="outlined" href={file} download={`${deck.code}-rates.csv`}>Sheet as CSV</Button>
        <Button variant="outlined" href={`${file}?format=xlsx`} download={`${deck.code}-rates.xlsx`}>Sheet as XLSX</Button>
        <Button variant="outlined" disabled={!template.data} onClick={() => setAsking(true)}>How its sheets are read</Button>
      </Box>
      <Trouble error={error ?? revisions.error} />
      <Table size="small">
        <TableHead><TableRow><TableCell>Revision</TableCell><TableCell>When</TableCell><TableCell align="right">Rates</TableCell><TableCell>Where from</TableCell><TableCell component="td" /></TableRow></TableHead>
        <TableBody>
          {rows.map((row, place) => (
            <TableRow key={row.revision} data-revision={row.revision}>
              <TableCell>{row.revision}</TableCell><TableCell><When at={row.created_at} part="minute" /></TableCell><TableCell align="right">{count(row.rates)}</TableCell><TableCell>{row.note}</TableCell>
              <TableCell align="right">
                {place > 0 && row.restorable && <><Button size="small" onClick={() => setShown(shown === row.revision ? null : row.revision)}>Compare</Button><Button size="small" href={`${file}?since_revision=${row.revision}&format=xlsx`} download={`${deck.code}-notice.xlsx`}>Notice</Button><May to="rates:write"><Button size="small" color="warning" onClick={() => void restore(row.revision)}>Restore</Button></May></>}
              </TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
      {shown !== null && <Difference deck={deck.id} revision={shown} />}
      {asking && template.data && (
        <FormDialog title={`How sheets of ${deck.code} are read`} fields={[...TERM_FIELDS, ...GUARD_FIELDS]} start={toForm(template.data)} verb="Save" onClose={() => setAsking(false)}
          onSend={async (values) => {
            await body(api.PUT('/api/v1/decks/{id}/template', { params: path, body: fromForm(values, template.data) }));
            await queries.invalidateQueries({ queryKey: ['template'] });
          }} />
      )}
    </Panel>
  );
}
