/** The cluster: who holds what and since when, which nodes are there, and what would happen if one of them died. */
import { useState, type ReactNode } from 'react';
import { Alert, Box, Button, Table, TableBody, TableCell, TableHead, TableRow, Tooltip } from '@mui/material';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { State, When } from '../../common/Fact';
import { age, count, fixed, NONE } from '../../common/format';
import { loadTone } from '../../common/machine';
import { Confirm } from '../../common/Form';
import { Empty, Head, Panel, Trouble, Waiting } from '../../common/Panel';
import { drainText, drillRefused, drillTo, heard, isDrained, nodeName, pairText, revisions } from './told';
import { May } from '../../common/May';

type View = Schemas['ClusterView'];
type Node = Schemas['ClusterNode'];

const TABLE = { '& td, & th': { verticalAlign: 'top' }, '& tr:last-child td': { borderBottom: 0 } } as const;
const TONE = { harmless: 'success', loss: 'warning', outage: 'error' } as const;

function Rows({ head, children }: { head: string[]; children: ReactNode }) {
  return (
    <Table size="small" sx={TABLE}>
      <TableHead><TableRow>{head.map((name) => <TableCell key={name} component={name === '' ? 'td' : 'th'}>{name}</TableCell>)}</TableRow></TableHead>
      <TableBody>{children}</TableBody>
    </Table>
  );
}

function Holder({ holder, held }: { holder: number | null | undefined; held: boolean }) {
  return held ? <b>{nodeName(holder)}</b> : <><State tone="error">nobody</State> {holder != null && <>last {nodeName(holder)}</>}</>;
}

/** The database and the shared addresses. */
function Held({ cluster }: { cluster: View }) {
  const { database } = cluster;
  if (!database && cluster.addresses.length === 0) {
    return <Empty title="Nothing is handed from node to node">Keepers keep a pair of databases and shared addresses: tandem cluster init.</Empty>;
  }
  return (
    <Rows head={['What', 'Held by', 'Since', 'Epoch', 'Who else could']}>
      {database && (
        <TableRow>
          <TableCell>Database, primary</TableCell>
          <TableCell><Holder holder={database.holder} held={database.held} /></TableCell>
          <TableCell><When at={database.since} /></TableCell>
          <TableCell>{count(database.epoch)}</TableCell>
          <TableCell>
            {database.sync == null ? <State tone="error">no replica in sync</State> : <>node {database.sync} has every acknowledged commit</>}
            {database.lag_commits != null && database.lag_commits > 0 && `, ${count(database.lag_commits)} commits behind`}
            {database.ordered != null && <> <State tone="info">swap to node {database.ordered} is on its way</State></>}
          </TableCell>
        </TableRow>
      )}
      {cluster.addresses.map((address) => (
        <TableRow key={address.name}>
          <TableCell>Address {address.name} {address.ip}</TableCell>
          <TableCell><Holder holder={address.holder} held={address.held} /></TableCell>
          <TableCell><When at={address.since} /></TableCell>
          <TableCell>{count(address.epoch)}</TableCell>
          <TableCell>{address.places.filter((place) => place.node !== address.holder).map((place) => (
            <Tooltip key={place.node} title={place.why}><span>node {place.node} {place.works ? 'works' : <State tone="warning">does not work</State>} </span></Tooltip>
          ))}</TableCell>
        </TableRow>
      ))}
    </Rows>
  );
}

function Databases({ rows }: { rows: View['databases'] }) {
  return (
    <Rows head={['Node', 'Database', 'Since', 'Process', 'Commits', 'Behind']}>
      {rows.map((row) => (
        <TableRow key={row.node}>
          <TableCell>{row.node}</TableCell>
          <TableCell>{row.role} {row.diverged && <State tone="warning">is copied anew</State>}</TableCell>
          <TableCell><When at={row.since} /></TableCell>
          <TableCell><State tone={row.process === 'running' ? 'success' : 'error'}>{row.process}</State></TableCell>
          <TableCell>{count(row.commits)}</TableCell>
          <TableCell>{row.behind_s == null ? NONE : `${row.behind_s} s`}</TableCell>
        </TableRow>
      ))}
    </Rows>
  );
}

function Arbiter({ rows }: { rows: View['arbiter'] }) {
  return (
    <Rows head={['Member of etcd', 'State', 'Runs on']}>
      {rows.map((row) => (
        <TableRow key={row.url}>
          <TableCell>{row.url}</TableCell>
          <TableCell><State tone={row.reached ? 'success' : 'error'}>{row.reached ? 'answers' : 'away'}</State> {row.leads && 'leads'}</TableCell>
          <TableCell>{row.node == null ? NONE : `node ${row.node}`}</TableCell>
        </TableRow>
      ))}
    </Rows>
  );
}

/** Two servers that decide without a third. */
function Pair({ pair }: { pair: Schemas['PairView'] }) {
  const ways = [...pair.paths.map((path) => ({ ...path, what: 'path to' })), ...pair.tie_breakers.map((tie) => ({ ...tie, what: 'tie-breaker' }))];
  const well = pair.standing === 'paired' && !pair.lost && !pair.split;
  return (
    <Rows head={['Two servers', 'Heard']}>
      <TableRow><TableCell colSpan={2}><State tone={well ? 'success' : 'error'}>{pairText(pair)}</State></TableCell></TableRow>
      {ways.map((way) => (
        <TableRow key={`${way.what} ${way.to}`} data-silent={way.silent}>
          <TableCell>{way.what} {way.to}</TableCell>
          <TableCell><State tone={way.silent ? 'error' : 'success'}>{heard(way.heard_ms)}</State></TableCell>
        </TableRow>
      ))}
      <TableRow><TableCell>fence command</TableCell><TableCell>{pair.fences ? pair.fence || 'not run yet' : 'none: when the replica is lost, writes stop'}</TableCell></TableRow>
    </Rows>
  );
}

function IfLost({ rows }: { rows: Node['if_lost'] }) {
  return (
    <Box component="ul" sx={{ m: 0, pl: 0, listStyle: 'none', display: 'grid', gap: 0.25 }}>
      {rows.map((row) => (
        <Box component="li" key={row.text} data-severity={row.severity} sx={{ color: row.severity === 'harmless' ? 'text.secondary' : `${TONE[row.severity]}.main` }}>{row.text}</Box>
      ))}
    </Box>
  );
}

function Nodes({ cluster, onDrain }: { cluster: View; onDrain: (node: Node) => void }) {
  return (
    <Rows head={['Node', 'State', 'Does', 'Version', 'Load', 'Group', 'Calls', 'Revision', 'If it lost its power now', '']}>
      {cluster.nodes.map((node) => (
        <TableRow key={node.id} data-node={node.id}>
          <TableCell>{node.id}{node.id === cluster.this_node && ' (this one)'}</TableCell>
          <TableCell>
            <State tone={node.there ? 'success' : 'error'}>{node.there ? 'there' : 'away'}</State>{' '}
            {node.drained && <State tone="warning">drained</State>} {!node.drained && node.leaving && <State tone="warning">takes no calls</State>}
            {node.drained && <div>{drainText(node)} {node.empty_since && <>since <When at={node.empty_since} part="day" /></>}</div>}
          </TableCell>
          <TableCell>{node.roles.join(', ') || NONE}</TableCell>
          <TableCell>{node.version || NONE}</TableCell>
          <TableCell>{node.machine ? <><State tone={loadTone(node.machine)}>{fixed(node.machine.load[0], 2)}</State> of {node.machine.cores} cores<div>up {age(node.machine.uptime_s * 1000)}</div></> : NONE}</TableCell>
          <TableCell>{node.group || NONE}</TableCell>
          <TableCell>{count(node.calls)}</TableCell>
          <TableCell>{revisions(node) || NONE}</TableCell>
          <TableCell><IfLost rows={node.if_lost} /></TableCell>
          <TableCell align="right">
            {(node.roles.includes('core') || isDrained(cluster, node)) && (
              <May to="write"><Button size="small" color={isDrained(cluster, node) ? 'success' : 'warning'} onClick={() => onDrain(node)}>{isDrained(cluster, node) ? 'Take calls again' : 'Drain'}</Button></May>
            )}
          </TableCell>
        </TableRow>
      ))}
    </Rows>
  );
}

function Drill({ cluster, to, onClose }: { cluster: View; to: number; onClose: () => void }) {
  const queries = useQueryClient();
  const epoch = cluster.database?.epoch ?? 0;
  return (
    <Confirm title={`Make node ${to} primary now?`} verb="Run the drill" onClose={onClose}
      onSend={async () => {
        await body(api.POST('/api/v1/cluster/promote', { body: { node: to, epoch } }));
        await queries.invalidateQueries({ queryKey: ['cluster'] });
      }}>
      Writes stop for less than a second, calls go on, and nothing is lost: node {to} has every acknowledged commit. It is what{' '}
      <code>tandem cluster promote {to}</code> does. When the database’s home is node {cluster.database?.holder}, it goes back there by itself once that
      has been in sync for its hold-down time.
    </Confirm>
  );
}

function Drain({ cluster, node, onClose }: { cluster: View; node: Node; onClose: () => void }) {
  const queries = useQueryClient();
  const on = !isDrained(cluster, node);
  return (
    <Confirm title={on ? `Drain node ${node.id}?` : `Let node ${node.id} take calls again?`} verb={on ? 'Drain' : 'Take calls'} onClose={onClose}
      onSend={async () => {
        await body(api.POST('/api/v1/nodes/{id}/drain', { params: { path: { id: node.id } }, body: { on } }));
        await queries.invalidateQueries({ queryKey: ['cluster'] });
      }}>
      {on
        ? `It refuses new calls from this moment on; its ${count(node.calls)} calls go on until they end. When it is empty it can be stopped, upgraded or removed without anybody noticing.`
        : 'New calls are taken from this moment on.'}
    </Confirm>
  );
}

/** Which database answers searches and reports. */
function Reads({ reads }: { reads: View['reads'] }) {
  if (reads.replica) return <>CDRs and statistics are read at a replica, {reads.behind_s ?? 0} s behind.</>;
  return <>CDRs and statistics are read where they are written{reads.why && <>, not at the replica: {reads.why}</>}.</>;
}

/** The screen. */
export default function Cluster() {
  const seen = useQuery({ queryKey: ['cluster'], queryFn: () => body(api.GET('/api/v1/cluster')), refetchInterval: 2_000 });
  const [drill, setDrill] = useState<number | null>(null);
  const [drain, setDrain] = useState<Node | null>(null);
  if (seen.isPending) return <Waiting rows={8} />;
  const cluster = seen.data;
  if (!cluster) return <><Head title="Cluster" /><Trouble error={seen.error} retry={() => void seen.refetch()} /></>;
  const refused = drillRefused(cluster);
  const alone = cluster.state === 'alone';
  return (
    <>
      <Head title="Cluster" note={<>as of <When at={cluster.as_of} /> · <Reads reads={cluster.reads} /></>}>
        {!alone && <May to="write"><Tooltip title={refused}><span><Button disabled={refused !== ''} onClick={() => setDrill(drillTo(cluster))}>Run a drill</Button></span></Tooltip></May>}
      </Head>
      <Trouble error={seen.error} retry={() => void seen.refetch()} />
      {cluster.state !== 'live' && <Alert severity={alone ? 'info' : 'error'} variant="outlined" sx={{ mb: 1.5 }} data-state={cluster.state}>{cluster.told}</Alert>}
      {cluster.warnings.map((text) => <Alert key={text} severity="warning" variant="outlined" sx={{ mb: 1 }}>{text}</Alert>)}
      <Box sx={{ display: 'grid', gap: 1.5, gridTemplateColumns: { xs: 'minmax(0, 1fr)', lg: 'minmax(0, 3fr) minmax(0, 2fr)' }, alignItems: 'start', opacity: cluster.state === 'stale' ? 0.7 : 1 }}>
        {!alone && <Panel title="Who holds what" flush><Held cluster={cluster} /></Panel>}
        {cluster.pair && <Panel title="Arbiter" note="decides about the database without a third" flush><Pair pair={cluster.pair} /></Panel>}
        {!alone && (cluster.arbiter.length > 0 || !cluster.pair) && <Panel title="etcd" note="a majority decides who takes over" flush><Arbiter rows={cluster.arbiter} /></Panel>}
        {cluster.databases.length > 0 && <Panel title="Databases" flush><Databases rows={cluster.databases} /></Panel>}
        {cluster.groups.length > 0 && (
          <Panel title="Availability groups" note="nodes that may fail together" flush>
            <Rows head={['Group', 'Nodes']}>{cluster.groups.map((group) => <TableRow key={group.name}><TableCell>{group.name}</TableCell><TableCell>{group.nodes.join(', ')}</TableCell></TableRow>)}</Rows>
          </Panel>
        )}
        <Box sx={{ gridColumn: '1 / -1' }}><Panel title="Nodes" note={cluster.pair && cluster.arbiter.length === 0 ? 'calls, groups and drains of this node alone: nodes tell each other of them by etcd' : undefined} flush><Nodes cluster={cluster} onDrain={setDrain} /></Panel></Box>
      </Box>
      {drill !== null && <Drill cluster={cluster} to={drill} onClose={() => setDrill(null)} />}
      {drain && <Drain cluster={cluster} node={drain} onClose={() => setDrain(null)} />}
    </>
  );
}
