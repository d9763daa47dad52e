/** Published snapshots. */
import { useState } from 'react';
import { Button, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body } from '../../api/http';
import { State, When } from '../../common/Fact';
import { Confirm } from '../../common/Form';
import { bytes, count } from '../../common/format';
import { Empty, Panel, Trouble } from '../../common/Panel';
import { May } from '../../common/May';

/** The panel. */
export function Revisions() {
  const revisions = useQuery({ queryKey: ['revisions'], queryFn: () => body(api.GET('/api/v1/revisions')), refetchInterval: 5_000 });
  const queries = useQueryClient();
  const [chosen, setChosen] = useState<number | null>(null);
  const rows = revisions.data?.data ?? [];
  return (
    <>
      <Trouble error={revisions.error} />
      <Panel flush title="Revisions" note="each published change makes a snapshot; calls are decided from the one in force">
        {revisions.data && rows.length === 0 && <Empty title="No snapshot was published yet">The first change publishes one.</Empty>}
        {rows.length > 0 && (
          <Table size="small" sx={{ '& tr:last-child td': { borderBottom: 0 } }}>
            <TableHead><TableRow><TableCell align="right" sx={{ width: 110 }}>Revision</TableCell><TableCell>Built</TableCell><TableCell align="right">File</TableCell><TableCell component="td" /></TableRow></TableHead>
            <TableBody>
              {rows.map((row) => (
                <TableRow key={row.revision} hover><TableCell align="right"><b>{count(row.revision)}</b></TableCell><TableCell><When at={row.built_at} /></TableCell><TableCell align="right">{row.bytes == null ? 'gone' : bytes(row.bytes)}</TableCell><TableCell>{row.in_force ? <State tone="success">in force</State> : row.bytes != null && <May to="write"><Button size="small" color="warning" onClick={() => setChosen(row.revision)}>Put in force</Button></May>}</TableCell></TableRow>
              ))}
            </TableBody>
          </Table>
        )}
      </Panel>
      {chosen !== null && (
        <Confirm title={`Put revision ${count(chosen)} in force?`} verb="Put in force" onClose={() => setChosen(null)}
          onSend={async () => {
            await body(api.POST('/api/v1/revisions/{revision}/restore', { params: { path: { revision: chosen } } }));
            await queries.invalidateQueries({ queryKey: ['revisions'] });
          }}>
          Within a second new calls on this node are decided as they were then. What was entered since stays in the database: the next change of anything is published with all of it and takes this revision’s place, so correct what was wrong first.
        </Confirm>
      )}
    </>
  );
}
