/** Where finished recordings and captures are copied to, and what waits. */
import { Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { api, body } from '../../api/http';
import { State, When } from '../../common/Fact';
import { bytes, count } from '../../common/format';
import { Panel, Trouble } from '../../common/Panel';

/** The panel; nothing where files stay on their node. */
export function Files() {
  const files = useQuery({ queryKey: ['files'], queryFn: () => body(api.GET('/api/v1/files')), refetchInterval: 5_000 });
  if (files.error) return <Trouble error={files.error} retry={() => void files.refetch()} />;
  if (!files.data?.data.length) return null;
  return (
    <Panel title="Copies of recordings and captures" note="each finished file is copied to every place; counted since the control plane started" flush>
      <Table size="small" sx={{ '& tr:last-child td': { borderBottom: 0 } }}>
        <TableHead><TableRow><TableCell>Place</TableCell><TableCell>State</TableCell><TableCell align="right">Copied</TableCell><TableCell align="right">Waiting</TableCell><TableCell>Oldest waiting</TableCell><TableCell align="right">Failed tries</TableCell><TableCell align="right">Removed before</TableCell><TableCell>Last copied</TableCell></TableRow></TableHead>
        <TableBody>
          {files.data.data.map((place) => (
            <TableRow key={place.to}>
              <TableCell sx={{ overflowWrap: 'anywhere' }}>{place.to}</TableCell>
              <TableCell sx={{ overflowWrap: 'anywhere' }}>{place.problem ? <State tone="error">{place.problem}</State> : <State tone="success">{place.waiting === 0 ? 'all copied' : 'copying'}</State>}</TableCell>
              <TableCell align="right">{count(place.copied)} ({bytes(place.copied_bytes)})</TableCell>
              <TableCell align="right">{count(place.waiting)} ({bytes(place.waiting_bytes)})</TableCell>
              <TableCell>{place.oldest_at ? <When at={place.oldest_at} /> : 'none'}</TableCell>
              <TableCell align="right">{count(place.failed)}</TableCell>
              <TableCell align="right">{place.lost === 0 ? 'none' : <State tone="error">{count(place.lost)}</State>}</TableCell>
              <TableCell><When at={place.reached_at} /></TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </Panel>
  );
}
