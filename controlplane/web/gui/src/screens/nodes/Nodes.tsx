/** The machines: what each decides from, how full it is, and what waits in its journal. */
import { useState } from 'react';
import { Box, Button, LinearProgress, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { useAccounts } from '../../api/objects';
import { Confirm } from '../../common/Form';
import { Fact, Facts, State, When } from '../../common/Fact';
import { age, bytes, count, NONE } from '../../common/format';
import { Machines } from '../../common/Machines';
import { Empty, Head, Panel, Trouble, Waiting } from '../../common/Panel';
import { Files } from './Files';
import { SearchEngine } from './SearchEngine';
import { Limits } from './Limits';
import { Admit, WriteOff } from './Lost';
import { Peers } from './Peers';
import { May } from '../../common/May';

type Node = Schemas['Node'];

function Shards({ node }: { node: Node }) {
  return (
    <Table size="small" sx={{ '& tr:last-child td': { borderBottom: 0 } }}>
      <TableHead><TableRow><TableCell>Shard</TableCell><TableCell align="right">Calls</TableCell><TableCell align="right">Answered</TableCell><TableCell align="right">Media ports</TableCell><TableCell component="td" sx={{ width: '30%' }} /><TableCell align="right">Revision</TableCell></TableRow></TableHead>
      <TableBody>
        {node.shards.map((shard) => (
          <TableRow key={shard.shard}>
            <TableCell>{shard.shard}</TableCell><TableCell align="right">{count(shard.calls)}</TableCell><TableCell align="right">{count(shard.answered)}</TableCell>
            <TableCell align="right">{count(shard.ports_used)} / {count(shard.ports_max)}</TableCell>
            <TableCell><LinearProgress aria-label="Media ports in use" variant="determinate" value={shard.ports_max === 0 ? 0 : (100 * shard.ports_used) / shard.ports_max} sx={{ height: 5, borderRadius: 1, bgcolor: 'action.hover' }} /></TableCell>
            <TableCell align="right"><Box component="span" sx={{ color: shard.revision === node.published_revision ? undefined : 'warning.main' }}>{count(shard.revision)}</Box></TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

/** How many calls with media there may be, what ends first, and how their ports are heard. */
function Media({ media }: { media: Node['media_sockets'] }) {
  if (media.calls_max === 0) return NONE;
  return (
    <>
      {count(media.calls_max)} by {media.calls_max_by}, <State tone={media.alarm ? 'warning' : 'default'}>{media.used_percent} % in use</State>{' '}
      <Box component="span" sx={{ color: 'text.secondary' }} title={media.why}>({media.shared ? 'shared sockets' : 'a socket a port'})</Box>
    </>
  );
}

function One({ node, onDrain, onAdmit }: { node: Node; onDrain: () => void; onAdmit: () => void }) {
  const { journal } = node;
  const behind = node.published_revision !== node.revision;
  return (
    <Box sx={{ opacity: node.data_plane_up ? 1 : 0.75 }}>
      <Box sx={{ display: 'grid', gap: 1.5, gridTemplateColumns: { xs: 'minmax(0, 1fr)', lg: '320px 320px minmax(0, 1fr)' }, alignItems: 'start', mb: 1.5 }}>
        <Panel title={`Node ${node.id}`} tools={<>{node.barred && <May to="money:write"><Button onClick={onAdmit}>Admit</Button></May>}<May to="write"><Button color={node.draining ? 'success' : 'warning'} onClick={onDrain}>{node.draining ? 'Take calls again' : 'Drain'}</Button></May></>}>
          <Facts>
            <Fact name="Data plane"><State tone={node.data_plane_up ? 'success' : 'error'}>{node.data_plane_up ? 'up' : 'away'}</State> {!node.data_plane_up && <>last seen <When at={node.last_seen_at} /></>} {node.draining && <State tone="warning">draining</State>} {node.barred && <State tone="error">written off</State>}</Fact>
            <Fact name="Database"><State tone={node.database_up ? 'success' : 'error'}>{node.database_up ? 'up' : 'away'}</State></Fact>
            <Fact name="Fast path" figure="fast_path">{node.fast_path.interfaces.length > 0 ? <>{node.fast_path.interfaces.join(', ')} <Box component="span" sx={{ color: 'text.secondary' }}>({count(node.fast_path.relayed)} packets)</Box></> : node.fast_path.why || NONE}</Fact>
            <Fact name="Calls with media" figure="mediaCalls"><Media media={node.media_sockets} /></Fact>
            <Fact name="Runs since">{age(node.uptime_s * 1000)}, start {count(node.boot)}</Fact>
            <Fact name="Revision" figure="revision">{count(node.revision)} {behind && <State tone="warning">published is {node.published_revision}</State>}</Fact>
            <Fact name="Version">{node.version}</Fact>
          </Facts>
        </Panel>
        <Panel title="Journal">
          <Facts>
            <Fact name="Backlog" figure="backlog">{count(journal.backlog_records)} records, {bytes(journal.backlog_bytes)}</Fact>
            <Fact name="Oldest in it" figure="backlog_age">{journal.backlog_oldest_at ? <When at={journal.backlog_oldest_at} /> : 'none waits'}</Fact>
            <Fact name="Set aside" figure="set_aside">{journal.set_aside === 0 ? 'none' : <State tone="error">{count(journal.set_aside)} records need a look</State>}</Fact>
            <Fact name="Written">{count(journal.records)} records, {bytes(journal.bytes)}</Fact>
            <Fact name="Collected"><When at={journal.collected_at} /></Fact>
            <Fact name="Disk in use" figure="journal_disk">{journal.disk_percent} % {journal.failing ? <State tone="error">cannot be written</State> : journal.disk_percent >= 95 && <State tone="error">new calls are refused</State>}</Fact>
          </Facts>
        </Panel>
        <Panel title="Shards" note="one a core" flush>{node.shards.length > 0 ? <Shards node={node} /> : <Empty title="No shard has reported">They report when the data plane answers.</Empty>}</Panel>
      </Box>
      {node.machine && <Panel title="Machine" flush sx={{ mb: 1.5 }}><Machines rows={[{ node: node.id, machine: node.machine }]} /></Panel>}
      <Panel title="Counters" note="since the data plane started">
        {node.counters.length === 0 ? <Empty title="No counters yet">They come with the data plane’s first answer.</Empty> : (
          <Box component="dl" sx={{ m: 0, columns: { xs: '260px 1', sm: '260px 4' }, columnGap: 4, fontSize: '0.78rem' }}>
            {node.counters.map((counter) => (
              <Box key={counter.name} title={counter.meaning} sx={{ display: 'flex', breakInside: 'avoid', py: 0.2, borderBottom: 1, borderColor: 'divider' }}>
                <Box component="dt" sx={{ color: 'text.secondary', flex: 1, minWidth: 0, overflowWrap: 'anywhere' }}>{counter.name}</Box>
                <Box component="dd" sx={{ m: 0 }}>{count(counter.value)}</Box>
              </Box>
            ))}
          </Box>
        )}
      </Panel>
    </Box>
  );
}

/** The screen. */
export default function Nodes() {
  const queries = useQueryClient();
  const nodes = useQuery({ queryKey: ['nodes'], queryFn: () => body(api.GET('/api/v1/nodes')), refetchInterval: 2_000 });
  const accounts = useAccounts();
  const codeOf = (id: string) => accounts.data?.find((account) => account.id === id)?.code ?? id;
  const [drain, setDrain] = useState<Node | null>(null);
  const [admit, setAdmit] = useState<Node | null>(null);
  const [lost, setLost] = useState(false);
  if (nodes.isPending) return <Waiting rows={8} />;
  return (
    <>
      <Head title="Nodes"><May to="money:write"><Button color="error" onClick={() => setLost(true)}>Write a lost node off</Button></May></Head>
      {lost && <WriteOff node={nodes.data?.data.find((node) => !node.data_plane_up)?.id ?? null} code={codeOf} onClose={() => setLost(false)} />}
      {admit && <Admit node={admit.id} onClose={() => setAdmit(null)} />}
      <Trouble error={nodes.error} retry={() => void nodes.refetch()} />
      {nodes.data?.data.map((node) => <One key={node.id} node={node} onDrain={() => setDrain(node)} onAdmit={() => setAdmit(node)} />)}
      {nodes.data && nodes.data.data.length > 0 && <><Files /><SearchEngine /></>}
      {nodes.data && nodes.data.data.length > 0 && <Limits />}
      {nodes.data && nodes.data.data.length > 0 && <Peers />}
      {nodes.data?.data.length === 0 && <Empty title="No node has reported">The control plane waits for the data plane’s socket.</Empty>}
      {drain && (
        <Confirm title={drain.draining ? 'Take calls again?' : `Drain node ${drain.id}?`} verb={drain.draining ? 'Take calls' : 'Drain'} onClose={() => setDrain(null)}
          onSend={async () => {
            await body(api.POST('/api/v1/nodes/{id}/drain', { params: { path: { id: drain.id } }, body: { on: !drain.draining } }));
            await queries.invalidateQueries({ queryKey: ['nodes'] });
          }}>
          {drain.draining ? 'New calls are taken from this moment on.' : 'New calls are refused with cause 404; running calls go on until they end.'}
        </Confirm>
      )}
    </>
  );
}
