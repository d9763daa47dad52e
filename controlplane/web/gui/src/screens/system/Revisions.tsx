/** Published snapshots. */
import { Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { api, body } from '../../api/http';
import { State, When } from '../../common/Fact';
import { bytes, count } from '../../common/format';
import { Empty, Panel, Trouble } from '../../common/Panel';

/** The panel. */
export function Revisions() {
  const revisions = useQuery({ queryKey: ['revisions'], queryFn: () => body(api.GET('/api/v1/revisions')), refetchInterval: 5_000 });
  const rows = revisions.data?.data ?? [];
  return (
    <>
      <Trouble error={revisions.error} />
      <Panel flush title="Revisions" note="each published change makes a snapshot; calls are decided from the one in force">
        {revisions.data && rows.length === 0 && <Empty title="No snapshot was published yet">The first change publishes one.</Empty>}
        {rows.length > 0 && (
          <Table size="small" sx={{ '& tr:last-child td': { borderBottom: 0 } }}>
            <TableHead><TableRow><TableCell align="right" sx={{ width: 110 }}>Revision</TableCell><TableCell>Built</TableCell><TableCell align="right">File</TableCell><TableCell /></TableRow></TableHead>
            <TableBody>
              {rows.map((row) => (
                <TableRow key={row.revision} hover><TableCell align="right"><b>{count(row.revision)}</b></TableCell><TableCell><When at={row.built_at} /></TableCell><TableCell align="right">{row.bytes == null ? 'gone' : bytes(row.bytes)}</TableCell><TableCell>{row.in_force && <State tone="success">in force</State>}</TableCell></TableRow>
              ))}
            </TableBody>
          </Table>
        )}
      </Panel>
    </>
  );
}
