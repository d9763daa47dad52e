/** The search engine that CDRs are told to, and what waits for it. */
import { Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { api, body } from '../../api/http';
import { State, When } from '../../common/Fact';
import { count } from '../../common/format';
import { Panel, Trouble } from '../../common/Panel';

/** The panel; nothing where the database alone searches. */
export function SearchEngine() {
  const engines = useQuery({ queryKey: ['search-engines'], queryFn: () => body(api.GET('/api/v1/search-engines')), refetchInterval: 5_000 });
  if (engines.error) return <Trouble error={engines.error} retry={() => void engines.refetch()} />;
  if (!engines.data?.data.length) return null;
  return (
    <Panel title="Search engine" note="it is told every CDR and finds them; what it lacks, the database finds" flush>
      <Table size="small" sx={{ '& tr:last-child td': { borderBottom: 0 } }}>
        <TableHead><TableRow><TableCell>Engine</TableCell><TableCell>State</TableCell><TableCell>Complete since</TableCell><TableCell align="right">Told</TableCell><TableCell align="right">Waiting</TableCell><TableCell>Oldest waiting</TableCell><TableCell align="right">Refused</TableCell><TableCell align="right">Failed tries</TableCell><TableCell>Last told</TableCell></TableRow></TableHead>
        <TableBody>
          {engines.data.data.map((engine) => (
            <TableRow key={engine.url}>
              <TableCell sx={{ overflowWrap: 'anywhere' }}>{engine.url}</TableCell>
              <TableCell sx={{ overflowWrap: 'anywhere' }}>{engine.problem ? <State tone="error">{engine.problem}</State> : <State tone="success">{engine.waiting === 0 ? 'all told' : 'telling'}</State>}</TableCell>
              <TableCell>{engine.since_at ? <When at={engine.since_at} /> : 'nothing yet'}</TableCell>
              <TableCell align="right">{count(engine.sent)}</TableCell>
              <TableCell align="right">{count(engine.waiting)}</TableCell>
              <TableCell>{engine.oldest_at ? <When at={engine.oldest_at} /> : 'none'}</TableCell>
              <TableCell align="right">{engine.refused === 0 ? 'none' : <State tone="error">{count(engine.refused)}</State>}</TableCell>
              <TableCell align="right">{count(engine.failed)}</TableCell>
              <TableCell><When at={engine.reached_at} /></TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </Panel>
  );
}
