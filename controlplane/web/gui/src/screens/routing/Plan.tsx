/** One plan: its rules and its routes. */
import { useState } from 'react';
import { Box, Button, IconButton, Table, TableBody, TableCell, TableHead, TableRow, TextField, Tooltip } from '@mui/material';
import Delete from '@mui/icons-material/DeleteOutlineOutlined';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useLocation } from 'wouter';
import { api, body, tagged, type Schemas } from '../../api/http';
import { useEgressTrunks, usePlans, useTrunkGroups, type Plan as PlanRow } from '../../api/objects';
import { ChangeDialog } from '../../common/Change';
import { Confirm } from '../../common/Form';
import { useLeave } from '../../common/Leave';
import { Fact, Facts, State, When } from '../../common/Fact';
import { decimal } from '../../common/format';
import { Empty, Head, Panel, Trouble, Waiting } from '../../common/Panel';
import { Policied } from '../../common/policy/Policied';
import { ORDERS, planFields } from './fields';
import { Figure } from './Figure';
import { Rules, told } from './Rules';
import { Standings } from './Standings';
import { May, useMay } from '../../common/May';

type Route = PlanRow['routes'][number];
type RouteNew = Schemas['PlanRouteNew'];

const strip = ({ egress_trunk, trunk_group, ...route }: Route): RouteNew => ({ ...route, egress_trunk: egress_trunk?.id ?? null, trunk_group: trunk_group?.id ?? null });
const alike = (one: Route[], other: Route[]) => JSON.stringify(one) === JSON.stringify(other);
const target = (route: Route) => route.egress_trunk ?? route.trunk_group ?? { id: '', code: '' };

function Routes({ plan, etag, onSaved }: { plan: PlanRow; etag: string; onSaved: () => void }) {
  const trunks = useEgressTrunks();
  // What was read when the first route was touched. A plan whose routes are others meanwhile is somebody else's change: the API says so.
  const [base, setBase] = useState({ routes: plan.routes, etag });
  const [routes, setRoutes] = useState(plan.routes);
  const [error, setError] = useState<unknown>(null);
  const changed = !alike(routes, base.routes);
  if (etag !== base.etag && (!changed || alike(plan.routes, base.routes))) {
    setBase({ routes: plan.routes, etag });
    if (!changed) setRoutes(plan.routes);
  }
  const leave = useLeave(changed);
  const may = useMay()('write');
  const groups = useTrunkGroups();
  const [conditions, setConditions] = useState<number | null>(null);
  const there = (id: string) => routes.some((route) => target(route).id === id);
  const others = (trunks.data ?? []).filter((trunk) => !there(trunk.id));
  const otherGroups = (groups.data ?? []).filter((group) => !there(group.id));
  const opened = conditions === null ? undefined : routes[conditions];
  const edit = (index: number, change: Partial<Route>) => setRoutes(routes.map((route, at) => (at === index ? { ...route, ...change } : route)));
  const save = async () => {
    try {
      await body(api.PATCH('/api/v1/plans/{id}', { params: { path: { id: plan.id }, header: { 'if-match': base.etag } }, body: { routes: routes.map(strip) } }));
      setBase({ routes, etag: base.etag });
      setError(null);
      onSaved();
    } catch (reason) {
      setError(reason);
    }
  };
  return (
    <Panel title="Routes" flush tools={changed && <><Button onClick={() => { setRoutes(plan.routes); setBase({ routes: plan.routes, etag }); setError(null); }}>Discard</Button><Button variant="contained" onClick={() => void save()}>Save routes</Button></>}>
      {error !== null && <Box sx={{ p: 1.5, pb: 0 }}><Trouble error={error} /></Box>}
      <Table size="small" sx={{ '& td, & th': { whiteSpace: 'nowrap' } }}>
        <TableHead><TableRow><TableCell>Trunk or group</TableCell><TableCell>Carrier</TableCell><TableCell align="right">Priority</TableCell><TableCell align="right">Weight</TableCell><TableCell align="right">Share %</TableCell><TableCell>Conditions</TableCell><TableCell component="td" /></TableRow></TableHead>
        <TableBody>
          {routes.map((route, index) => {
            const trunk = trunks.data?.find((row) => row.id === route.egress_trunk?.id);
            const members = groups.data?.find((row) => row.id === route.trunk_group?.id)?.members.length;
            const off = route.rules.active === false;
            return (
              <TableRow key={target(route).id} hover data-route={target(route).code}>
                <TableCell>{target(route).code}{off && <> <State tone="default">off</State></>}</TableCell>
                <TableCell>{trunk ? <Link href={`/carriers/${trunk.carrier.id}`}>{trunk.carrier.code}</Link> : `group of ${members ?? 0}`}</TableCell>
                <TableCell align="right"><Figure disabled={!may} label="Priority" value={route.priority} onChange={(priority) => edit(index, { priority })} /></TableCell>
                <TableCell align="right"><Figure disabled={!may} label="Weight" value={route.weight} onChange={(weight) => edit(index, { weight })} /></TableCell>
                <TableCell align="right"><Figure disabled={!may} label="Share" value={route.percent} onChange={(percent) => edit(index, { percent })} /></TableCell>
                <TableCell><Tooltip title="When this route may be tried, and what follows from it"><Button onClick={() => setConditions(index)}>{told(route.rules)}</Button></Tooltip></TableCell>
                <TableCell align="right">{may && <Tooltip title="Take this route out"><IconButton aria-label="Take this route out" onClick={() => setRoutes(routes.filter((_, at) => at !== index))}><Delete sx={{ fontSize: 17 }} /></IconButton></Tooltip>}</TableCell>
              </TableRow>
            );
          })}
        </TableBody>
      </Table>
      {routes.length === 0 && <Empty title="No route">Calls on this plan are refused with cause 310 until it has a route.</Empty>}
      {may && others.length + otherGroups.length > 0 && (
        <Box sx={{ p: 1.25 }}>
          <TextField select label="Add a trunk or group" value="" sx={{ width: 220 }} slotProps={{ select: { native: true }, inputLabel: { shrink: true } }}
            onChange={(event) => {
              const trunk = others.find((row) => row.id === event.target.value);
              const group = otherGroups.find((row) => row.id === event.target.value);
              const named = (row?: { id: string; code: string }) => (row ? { id: row.id, code: row.code } : null);
              if (trunk ?? group) setRoutes([...routes, { egress_trunk: named(trunk), trunk_group: named(group), priority: 0, weight: 0, percent: 0, rules: {} }]);
            }}>
            <option value="">choose</option>
            {otherGroups.map((group) => <option key={group.id} value={group.id}>group {group.code}</option>)}
            {others.map((trunk) => <option key={trunk.id} value={trunk.id}>{trunk.code} · {trunk.carrier.code}</option>)}
          </TextField>
        </Box>
      )}
      {conditions !== null && opened && (
        <Rules title={`Conditions of ${target(opened).code}`} shape="RouteRules" value={opened.rules} error={error} verb="Keep" onClose={() => setConditions(null)} onSend={(rules) => edit(conditions, { rules })} />
      )}
      {leave.question}
    </Panel>
  );
}

/** The screen. */
export default function Plan({ id }: { id: string }) {
  const [, go] = useLocation();
  const queries = useQueryClient();
  const path = { path: { id } };
  const read = () => tagged(api.GET('/api/v1/plans/{id}', { params: path }));
  const plan = useQuery({ queryKey: ['plan', id], queryFn: read });
  const plans = usePlans();
  const [doing, setDoing] = useState<'change' | 'rules' | 'delete' | null>(null);
  if (plan.error) return <Trouble error={plan.error} retry={() => void plan.refetch()} />;
  if (!plan.data) return <Waiting />;
  const { value, etag } = plan.data;
  return (
    <>
      <Head title={value.code} note="routing plan">
        <Button component={Link} href="/routing/simulate" variant="outlined">Simulate</Button>
        <May to="write"><Button variant="outlined" onClick={() => setDoing('change')}>Edit</Button></May>
        <May to="write"><Button color="error" onClick={() => setDoing('delete')}>Delete</Button></May>
      </Head>
      <Box sx={{ display: 'grid', gap: 1.5, gridTemplateColumns: { xs: 'minmax(0, 1fr)', lg: '320px minmax(0, 1fr)' }, alignItems: 'start' }}>
        <Panel title="Rules">
          <Facts>
            <Fact name="Order">{ORDERS[value.order]}</Fact>
            <Fact name="Tries at most" figure="attempts">{value.attempts_max}</Fact>
            <Fact name="Margin guard" figure="marginGuard">{decimal(value.margin_min, 4)} per minute</Fact>
            <Fact name="Set-up time">{value.setup_timeout_s || 180} s</Fact>
            <Fact name="Failover plan" figure="failover">{value.failover ? <Link href={`/routing/${value.failover.id}`}>{value.failover.code}</Link> : 'none'}</Fact>
            <Fact name="Selection"><Button onClick={() => setDoing('rules')} data-selection>{told(value.rules)}</Button></Fact>
            <Fact name="Signalling"><Policied policy={value.policy} otherwise="all at its default" /></Fact>
            <Fact name="Changed"><When at={value.updated_at} part="minute" /></Fact>
          </Facts>
        </Panel>
        <Routes plan={value} etag={etag} onSaved={() => void queries.invalidateQueries()} />
        <Standings trunks={value.routes.flatMap((route) => (route.egress_trunk ? [route.egress_trunk.id] : []))} plan={id} />
      </Box>
      {doing === 'change' && (
        <ChangeDialog side="plan" name={id} title={`Edit ${value.code}`} fields={planFields(plans.data, id)} read={read} onClose={() => setDoing(null)} start={({ routes: _, rules: __, updated_at: ___, id: ____, failover, ...rest }) => ({ ...rest, failover: failover?.id ?? null })}
          send={(values, tag) => body(api.PATCH('/api/v1/plans/{id}', { params: { ...path, header: { 'if-match': tag } }, body: values as unknown as Schemas['PlanPatch'] }))} />
      )}
      {doing === 'rules' && (
        <Rules title={`How ${value.code} chooses`} shape="PlanRules" value={value.rules} verb="Save" onClose={() => setDoing(null)}
            onSend={async (rules) => {
              await body(api.PATCH('/api/v1/plans/{id}', { params: { ...path, header: { 'if-match': etag } }, body: { rules } }));
              await queries.invalidateQueries();
            }} />
      )}
      {doing === 'delete' && (
        <Confirm title={`Delete ${value.code}?`} verb="Delete" onClose={() => setDoing(null)}
          onSend={async () => {
            await body(api.DELETE('/api/v1/plans/{id}', { params: { ...path, header: { 'if-match': etag } } }));
            await queries.invalidateQueries({ queryKey: ['plans'] });
            go('/routing');
          }}>
          A plan that an ingress trunk or another plan uses cannot be deleted.
        </Confirm>
      )}
    </>
  );
}
