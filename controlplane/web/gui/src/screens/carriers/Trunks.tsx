/** A carrier's trunks: how calls come in, and how they go out. */
import { useState } from 'react';
import { Alert, Button, Table, TableBody, TableCell, TableHead, TableRow, Tooltip } from '@mui/material';
import Add from '@mui/icons-material/AddOutlined';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from 'wouter';
import { api, body, tagged, type Schemas } from '../../api/http';
import { useAccounts, useDecks, useEgressTrunks, useIngressTrunks, usePlans, type Carrier, type EgressTrunk, type IngressTrunk } from '../../api/objects';
import { ChangeDialog, NewDialog } from '../../common/Change';
import { Confirm } from '../../common/Form';
import { Defined, State } from '../../common/Fact';
import { count, NONE } from '../../common/format';
import { Empty, Panel, Trouble } from '../../common/Panel';
import { Policied } from '../../common/policy/Policied';
import { Standings } from '../routing/Standings';
import { egressBody, egressFields, egressStart, ingressBody, ingressFields, ingressStart, lineOf, type Choices } from './fields';
import { May } from '../../common/May';

type Doing<T> = { what: 'new' } | { what: 'change' | 'switch' | 'delete'; trunk: T } | null;

const TABLE = { '& td, & th': { whiteSpace: 'nowrap' }, '& tr:last-child td': { borderBottom: 0 } } as const;

/** A carrier's own accounts; all plans and decks. */
function useChoices(carrier: Carrier): Choices {
  const [accounts, plans, decks] = [useAccounts(), usePlans(), useDecks()];
  return { accounts: (accounts.data ?? []).filter((account) => account.carrier.id === carrier.id), plans: plans.data ?? [], decks: decks.data ?? [] };
}

const limit = (value: number) => (value === 0 ? '∞' : count(value));

function Tools<T extends { active: boolean; code: string }>({ trunk, on }: { trunk: T; on: (doing: Doing<T>) => void }) {
  return (
    <TableCell align="right" sx={{ py: '0 !important' }}>
      <May to="write">
        <Button onClick={() => on({ what: 'change', trunk })}>Edit</Button>
        <Button color={trunk.active ? 'warning' : 'success'} onClick={() => on({ what: 'switch', trunk })}>{trunk.active ? 'Disable' : 'Enable'}</Button>
        <Button color="error" onClick={() => on({ what: 'delete', trunk })}>Delete</Button>
      </May>
    </TableCell>
  );
}

function Switch({ trunk, say, send, onClose }: { trunk: { code: string; active: boolean }; say: string; send: () => Promise<unknown>; onClose: () => void }) {
  const queries = useQueryClient();
  return (
    <Confirm title={`${say} ${trunk.code}?`} verb={say} onClose={onClose} onSend={async () => { await send(); await queries.invalidateQueries(); }}>
      {say === 'Disable' && 'New calls are refused or routed elsewhere from the next snapshot on, within a second. Running calls go on.'}
      {say === 'Enable' && 'It takes calls again from the next snapshot on, within a second.'}
      {say === 'Delete' && 'CDRs keep its id. A trunk that a routing plan uses cannot be deleted.'}
    </Confirm>
  );
}

/** Trunks of which another one gets the calls: of those with one source, tech prefix and transport the oldest has them. */
function Taken({ trunks }: { trunks: IngressTrunk[] }) {
  return trunks.filter((trunk) => trunk.taken.length > 0).map((trunk) => (
    <Alert key={trunk.id} severity="warning" variant="outlined" data-taken={trunk.code} sx={{ m: 1 }}>
      <b>{trunk.code} gets no call {trunk.taken.length < trunk.sources.length && 'from some of its sources'}.</b>{' '}
      {trunk.taken.map(({ source, by }) => `${lineOf(source)} is a source of ${by.code}`).join(', ')}, with the same tech prefix and transport: the older trunk has the calls.
    </Alert>
  ));
}

/** The ingress trunks. */
export function IngressTrunks({ carrier }: { carrier: Carrier }) {
  const trunks = useIngressTrunks();
  const choices = useChoices(carrier);
  const [doing, setDoing] = useState<Doing<IngressTrunk>>(null);
  const rows = (trunks.data ?? []).filter((trunk) => trunk.carrier.id === carrier.id);
  const close = () => setDoing(null);
  const at = (id: string) => ({ path: { id } });
  const read = (id: string) => tagged(api.GET('/api/v1/ingress-trunks/{id}', { params: at(id) }));
  const patch = (id: string, etag: string, change: Schemas['IngressTrunkPatch']) => body(api.PATCH('/api/v1/ingress-trunks/{id}', { params: { ...at(id), header: { 'if-match': etag } }, body: change }));
  return (
    <Panel title="Ingress trunks" note="how its calls come in" flush tools={<May to="write"><Button startIcon={<Add />} disabled={choices.accounts.length === 0} onClick={() => setDoing({ what: 'new' })}>New ingress trunk</Button></May>}>
      <Trouble error={trunks.error} />
      <Taken trunks={rows} />
      {trunks.data && rows.length === 0 && <Empty title="It sends us no calls">{choices.accounts.length === 0 ? 'Make an account first.' : 'Make an ingress trunk with the addresses that its INVITEs come from.'}</Empty>}
      {rows.length > 0 && (
        <Table size="small" sx={TABLE}>
          <TableHead><TableRow><TableCell>Trunk</TableCell><TableCell>State</TableCell><TableCell>From</TableCell><TableCell><Defined figure="techPrefix">Prefix</Defined></TableCell><TableCell>Plan</TableCell><TableCell>Sell deck</TableCell><TableCell>Account</TableCell><TableCell align="right"><Defined figure="capacity">Capacity</Defined></TableCell><TableCell align="right"><Defined figure="cpsLimit">CPS</Defined></TableCell><TableCell component="td" /></TableRow></TableHead>
          <TableBody>
            {rows.map((trunk) => (
              <TableRow key={trunk.id} hover>
                <TableCell sx={{ fontWeight: 560 }}>{trunk.code} <Policied policy={trunk.policy} /></TableCell>
                <TableCell><State tone={trunk.active ? 'success' : 'default'}>{trunk.active ? 'active' : 'disabled'}</State></TableCell>
                <TableCell><Tooltip title={trunk.sources.map(lineOf).join(', ')}><span>{trunk.sources[0] ? lineOf(trunk.sources[0]) : NONE}{trunk.sources.length > 1 && ` +${trunk.sources.length - 1}`}</span></Tooltip></TableCell>
                <TableCell>{trunk.tech_prefix || NONE}</TableCell>
                <TableCell><Link href={`/routing/${trunk.plan.id}`}>{trunk.plan.code}</Link></TableCell>
                <TableCell><Link href={`/rates/${trunk.sell_deck.id}`}>{trunk.sell_deck.code}</Link></TableCell>
                <TableCell>{trunk.account.code}</TableCell>
                <TableCell align="right">{limit(trunk.capacity)}</TableCell>
                <TableCell align="right">{limit(trunk.cps)}</TableCell>
                <Tools trunk={trunk} on={setDoing} />
              </TableRow>
            ))}
          </TableBody>
        </Table>
      )}
      {doing?.what === 'new' && (
        <NewDialog side="ingress" title={`New ingress trunk of ${carrier.code}`} fields={ingressFields(choices)} onClose={close}
          start={{ active: true, capacity: 0, cps: 0, max_duration_s: 0, media_timeout_s: 0, account: choices.accounts[0]?.id ?? '', plan: choices.plans[0]?.id ?? '', sell_deck: choices.decks[0]?.id ?? '' }}
          send={(values) => body(api.POST('/api/v1/ingress-trunks', { body: { ...ingressBody(values), carrier: carrier.id } as Schemas['IngressTrunkNew'] }))} />
      )}
      {doing?.what === 'change' && <ChangeDialog name={doing.trunk.id} title={`Edit ${doing.trunk.code}`} side="ingress" fields={ingressFields(choices)} read={() => read(doing.trunk.id)} start={ingressStart} onClose={close} send={(values, etag) => patch(doing.trunk.id, etag, ingressBody(values))} />}
      {doing?.what === 'switch' && <Switch trunk={doing.trunk} say={doing.trunk.active ? 'Disable' : 'Enable'} onClose={close} send={async () => patch(doing.trunk.id, (await read(doing.trunk.id)).etag, { active: !doing.trunk.active })} />}
      {doing?.what === 'delete' && <Switch trunk={doing.trunk} say="Delete" onClose={close} send={async () => body(api.DELETE('/api/v1/ingress-trunks/{id}', { params: { ...at(doing.trunk.id), header: { 'if-match': (await read(doing.trunk.id)).etag } } }))} />}
    </Panel>
  );
}

/** The egress trunks. */
export function EgressTrunks({ carrier }: { carrier: Carrier }) {
  const trunks = useEgressTrunks();
  const choices = useChoices(carrier);
  const [doing, setDoing] = useState<Doing<EgressTrunk>>(null);
  const rows = (trunks.data ?? []).filter((trunk) => trunk.carrier.id === carrier.id);
  const close = () => setDoing(null);
  const at = (id: string) => ({ path: { id } });
  const read = (id: string) => tagged(api.GET('/api/v1/egress-trunks/{id}', { params: at(id) }));
  const patch = (id: string, etag: string, change: Schemas['EgressTrunkPatch']) => body(api.PATCH('/api/v1/egress-trunks/{id}', { params: { ...at(id), header: { 'if-match': etag } }, body: change }));
  return (
    <Panel title="Egress trunks" note="how calls go out to it" flush tools={<May to="write"><Button startIcon={<Add />} disabled={choices.accounts.length === 0} onClick={() => setDoing({ what: 'new' })}>New egress trunk</Button></May>}>
      <Trouble error={trunks.error} />
      {trunks.data && rows.length === 0 && <Empty title="It takes no calls from us">{choices.accounts.length === 0 ? 'Make an account first.' : 'Make an egress trunk with the address that INVITEs are sent to.'}</Empty>}
      {rows.length > 0 && (
        <Table size="small" sx={TABLE}>
          <TableHead><TableRow><TableCell>Trunk</TableCell><TableCell>State</TableCell><TableCell>To</TableCell><TableCell>Number out</TableCell><TableCell>Buy deck</TableCell><TableCell>Account</TableCell><TableCell align="right"><Defined figure="capacity">Capacity</Defined></TableCell><TableCell align="right"><Defined figure="cpsLimit">CPS</Defined></TableCell><TableCell align="right">Next route after</TableCell><TableCell component="td" /></TableRow></TableHead>
          <TableBody>
            {rows.map((trunk) => (
              <TableRow key={trunk.id} hover>
                <TableCell sx={{ fontWeight: 560 }}>{trunk.code} <Policied policy={trunk.policy} /></TableCell>
                <TableCell><State tone={trunk.active ? 'success' : 'default'}>{trunk.active ? 'active' : 'disabled'}</State></TableCell>
                <TableCell>{trunk.address}</TableCell>
                <TableCell>{trunk.strip_digits || trunk.add_prefix ? `${trunk.strip_digits ? `−${trunk.strip_digits} ` : ''}${trunk.add_prefix ? `+${trunk.add_prefix}` : ''}` : 'as is'}</TableCell>
                <TableCell><Link href={`/rates/${trunk.buy_deck.id}`}>{trunk.buy_deck.code}</Link></TableCell>
                <TableCell>{trunk.account.code}</TableCell>
                <TableCell align="right">{limit(trunk.capacity)}</TableCell>
                <TableCell align="right">{limit(trunk.cps)}</TableCell>
                <TableCell align="right">{trunk.progress_timeout_s || 8} s</TableCell>
                <Tools trunk={trunk} on={setDoing} />
              </TableRow>
            ))}
          </TableBody>
        </Table>
      )}
      {doing?.what === 'new' && (
        <NewDialog side="egress" title={`New egress trunk of ${carrier.code}`} fields={egressFields(choices)} onClose={close}
          start={{ active: true, capacity: 0, cps: 0, strip_digits: 0, progress_timeout_s: 0, ring_timeout_s: 0, account: choices.accounts[0]?.id ?? '', buy_deck: choices.decks[0]?.id ?? '' }}
          send={(values) => body(api.POST('/api/v1/egress-trunks', { body: { ...egressBody(values), carrier: carrier.id } as Schemas['EgressTrunkNew'] }))} />
      )}
      {doing?.what === 'change' && <ChangeDialog name={doing.trunk.id} title={`Edit ${doing.trunk.code}`} side="egress" fields={egressFields(choices)} read={() => read(doing.trunk.id)} start={egressStart} onClose={close} send={(values, etag) => patch(doing.trunk.id, etag, egressBody(values))} />}
      {doing?.what === 'switch' && <Switch trunk={doing.trunk} say={doing.trunk.active ? 'Disable' : 'Enable'} onClose={close} send={async () => patch(doing.trunk.id, (await read(doing.trunk.id)).etag, { active: !doing.trunk.active })} />}
      {doing?.what === 'delete' && <Switch trunk={doing.trunk} say="Delete" onClose={close} send={async () => body(api.DELETE('/api/v1/egress-trunks/{id}', { params: { ...at(doing.trunk.id), header: { 'if-match': (await read(doing.trunk.id)).etag } } }))} />}
    </Panel>
  );
}

/** How well the carrier's egress trunks do. */
export function OfCarrier({ carrier }: { carrier: Carrier }) {
  const trunks = useEgressTrunks();
  return <Standings trunks={(trunks.data ?? []).filter((trunk) => trunk.carrier.id === carrier.id).map((trunk) => trunk.id)} />;
}
