/** Sentences of the cluster's page. */
import type { Schemas } from '../../api/http';
import { count } from '../../common/format';

type Cluster = Schemas['ClusterView'];
type Node = Schemas['ClusterNode'];

/** `node 2`, or nobody. */
export const nodeName = (node: number | null | undefined) => (node == null ? 'nobody' : `node ${node}`);

/** Where a swap would go to: the database that may become primary without losing anything. */
export function drillTo(cluster: Cluster): number | null {
  return cluster.databases.find((database) => database.refused == null)?.node ?? null;
}

/** Why there is nothing to drill; empty if there is. */
export function drillRefused(cluster: Cluster): string {
  if (cluster.state !== 'live') return cluster.pair ? 'this node’s keeper must answer for a drill' : 'etcd must answer for a drill';
  if (cluster.database == null) return 'no pair of databases is kept here';
  if (drillTo(cluster) !== null) return '';
  const standby = cluster.databases.find((database) => database.node !== cluster.database?.holder);
  return standby ? `node ${standby.node}: ${standby.refused ?? ''}` : 'the other database is not there';
}

/** What two servers without a third decide at this moment. */
export function pairText(pair: Schemas['PairView']): string {
  if (pair.split) return 'both servers went on alone: one has to be emptied';
  if (pair.standing === 'solo') return 'this server decides alone';
  if (pair.standing === 'joining') return 'this server waits for the other one to tell it everything';
  return pair.lost ? 'the other server is lost' : 'both servers decide together';
}

/** When something was heard last. */
export const heard = (ms: number | null | undefined) => (ms == null ? 'never' : `${(ms / 1_000).toFixed(1)} s ago`);

/** An operator drains the node; a switch of one node only knows that it takes no calls. */
export const isDrained = (cluster: Cluster, node: Node) => (cluster.state === 'alone' ? node.leaving : node.drained);

/** How far a drained node is. */
export function drainText(node: Node): string {
  if (!node.drained) return '';
  return node.calls > 0 ? `${count(node.calls)} calls left` : 'empty';
}

/** The revision of each shard: one number if all decide from the same. */
export function revisions(node: Node): string {
  const numbers = [...new Set(node.shards.map((shard) => shard.revision))];
  if (numbers.length <= 1) return numbers.map(count).join('');
  return node.shards.map((shard) => `${shard.shard}: ${count(shard.revision)}`).join(', ');
}
