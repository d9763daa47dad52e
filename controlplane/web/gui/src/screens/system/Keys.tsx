/** Keys for programs. A key's secret is shown once. */
import { useState } from 'react';
import { Alert, Box, Button, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import Add from '@mui/icons-material/AddOutlined';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { Confirm, FormDialog, type Field } from '../../common/Form';
import { State, When } from '../../common/Fact';
import { Empty, Panel, Trouble } from '../../common/Panel';
import { MONO } from '../../theme';

type Key = Schemas['ApiKey'];
type Scope = Key['scopes'][number];

const DAY_MS = 86_400_000;

const SCOPES: Record<Scope, string> = {
  read: 'look at everything but CDRs', 'cdr:read': 'look at CDRs and stories', write: 'change carriers, trunks, decks, plans', 'rates:write': 'change rates',
  'money:write': 'enter payments', 'calls:release': 'release running calls', 'calls:open': 'capture calls and open captures (they can be heard)', recordings: 'record calls, listen to recordings and remove them', admin: 'everything, users and keys included',
};

const NETWORKS: Field = { name: 'networks', label: 'Only from', kind: 'lines', help: 'Addresses like 192.0.2.7 and networks like 2001:db8::/32, one a line; empty: from anywhere' };

const FIELDS: Field[] = [
  { name: 'name', label: 'What it is for', kind: 'text' },
  { name: 'days', label: 'Days until it ends', kind: 'number', optional: true, help: 'Empty: it does not end' },
  NETWORKS,
  ...Object.entries(SCOPES).map(([name, help]): Field => ({ name, label: name, kind: 'tick', help })),
];

/** When a key ends that is to be good for so many days; null for never. */
export function ends(days: unknown, now: number): string | null {
  return typeof days === 'number' ? new Date(now + days * DAY_MS).toISOString() : null;
}

/** How near a key's end is: two weeks before, somebody should make the next one. */
export function nearness(expires_at: string | null | undefined, now: number): 'ended' | 'soon' | null {
  if (!expires_at) return null;
  const left = Date.parse(expires_at) - now;
  return left <= 0 ? 'ended' : left < 14 * DAY_MS ? 'soon' : null;
}

function Ends({ at }: { at: string | null | undefined }) {
  const near = nearness(at, Date.now());
  if (!at) return <>never</>;
  return <><When at={at} part="minute" />{near && <> <State tone={near === 'ended' ? 'error' : 'warning'}>{near}</State></>}</>;
}

/** Where requests with a key may come from. */
function Networks({ of, onClose }: { of: Key; onClose: () => void }) {
  const queries = useQueryClient();
  return (
    <FormDialog title={`Where ${of.name} may be used`} verb="Save" fields={[NETWORKS]} start={{ networks: of.networks }} onClose={onClose}
      onSend={async (values) => {
        await body(api.PUT('/api/v1/api-keys/{id}/networks', { params: { path: { id: of.id } }, body: { networks: values['networks'] as string[] } }));
        await queries.invalidateQueries({ queryKey: ['api-keys'] });
      }} />
  );
}

/** The panel. */
export function Keys() {
  const queries = useQueryClient();
  const keys = useQuery({ queryKey: ['api-keys'], queryFn: () => body(api.GET('/api/v1/api-keys')) });
  const [doing, setDoing] = useState<'new' | { what: 'networks' | 'delete'; key: Key } | null>(null);
  const [made, setMade] = useState<Schemas['ApiKeyMade'] | null>(null);
  const make = async (values: Record<string, unknown>) => {
    const scopes = (Object.keys(SCOPES) as Scope[]).filter((scope) => values[scope] === true);
    const expires_at = ends(values['days'], Date.now());
    const networks = values['networks'] as string[];
    setMade(await body(api.POST('/api/v1/api-keys', { body: { name: String(values['name'] ?? ''), scopes, networks, expires_at } })));
    await queries.invalidateQueries({ queryKey: ['api-keys'] });
  };
  return (
    <>
      {made && (
        <Alert severity="success" variant="outlined" sx={{ mb: 1.5 }} onClose={() => setMade(null)}>
          <b>Key “{made.key.name}” is made. Its secret is shown this once:</b>
          <Box component="pre" sx={{ m: 0, mt: 0.5, fontFamily: MONO, fontSize: '0.76rem', whiteSpace: 'pre-wrap', overflowWrap: 'anywhere', userSelect: 'all' }}>{made.secret}</Box>
          Send it as the header <code>authorization: Bearer …</code>
        </Alert>
      )}
      <Trouble error={keys.error} />
      <Panel flush title="API keys" tools={<Button startIcon={<Add />} onClick={() => setDoing('new')}>New key</Button>}>
        {keys.data?.data.length === 0 && <Empty title="No key yet">A key lets a program in with just the scopes that it needs.</Empty>}
        {(keys.data?.data.length ?? 0) > 0 && (
          <Table size="small" sx={{ '& tr:last-child td': { borderBottom: 0 } }}>
            <TableHead><TableRow><TableCell>Name</TableCell><TableCell>Scopes</TableCell><TableCell>Only from</TableCell><TableCell>Made</TableCell><TableCell>Last used</TableCell><TableCell>Ends</TableCell><TableCell component="td" /></TableRow></TableHead>
            <TableBody>
              {keys.data?.data.map((key) => (
                <TableRow key={key.id} hover>
                  <TableCell>{key.name}</TableCell><TableCell>{key.scopes.join(', ')}</TableCell><TableCell>{key.networks.length === 0 ? 'anywhere' : key.networks.join(', ')}</TableCell><TableCell><When at={key.created_at} part="minute" /></TableCell><TableCell><When at={key.last_used_at} part="minute" /></TableCell><TableCell><Ends at={key.expires_at} /></TableCell>
                  <TableCell align="right" sx={{ py: '0 !important', whiteSpace: 'nowrap' }}><Button onClick={() => setDoing({ what: 'networks', key })}>Only from…</Button><Button color="error" onClick={() => setDoing({ what: 'delete', key })}>Delete</Button></TableCell>
                </TableRow>
              ))}
            </TableBody>
          </Table>
        )}
      </Panel>
      {doing === 'new' && <FormDialog title="New API key" verb="Create" fields={FIELDS} start={{ read: true }} onClose={() => setDoing(null)} onSend={make} />}
      {doing !== null && typeof doing === 'object' && doing.what === 'networks' && <Networks of={doing.key} onClose={() => setDoing(null)} />}
      {doing !== null && typeof doing === 'object' && doing.what === 'delete' && (
        <Confirm title={`Delete key ${doing.key.name}?`} verb="Delete" onClose={() => setDoing(null)}
          onSend={async () => {
            await body(api.DELETE('/api/v1/api-keys/{id}', { params: { path: { id: doing.key.id } } }));
            await queries.invalidateQueries({ queryKey: ['api-keys'] });
          }}>
          Programs that use it are refused from this moment on.
        </Confirm>
      )}
    </>
  );
}
