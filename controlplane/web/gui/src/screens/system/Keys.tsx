/** Keys for programs. A key's secret is shown once. */
import { useState } from 'react';
import { Alert, Box, Button, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import Add from '@mui/icons-material/AddOutlined';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { Confirm, FormDialog, type Field } from '../../common/Form';
import { When } from '../../common/Fact';
import { Empty, Panel, Trouble } from '../../common/Panel';
import { MONO } from '../../theme';

type Key = Schemas['ApiKey'];
type Scope = Key['scopes'][number];

const SCOPES: Record<Scope, string> = {
  read: 'look at everything but CDRs', 'cdr:read': 'look at CDRs and stories', write: 'change carriers, trunks, decks, plans', 'rates:write': 'change rates',
  'money:write': 'enter payments', 'calls:release': 'release running calls', 'calls:open': 'capture calls and open captures (they can be heard)', recordings: 'record calls, listen to recordings and remove them', admin: 'everything, users and keys included',
};

const FIELDS: Field[] = [
  { name: 'name', label: 'What it is for', kind: 'text', wide: true },
  ...Object.entries(SCOPES).map(([name, help]): Field => ({ name, label: name, kind: 'tick', help })),
];

/** The panel. */
export function Keys() {
  const queries = useQueryClient();
  const keys = useQuery({ queryKey: ['api-keys'], queryFn: () => body(api.GET('/api/v1/api-keys')) });
  const [doing, setDoing] = useState<'new' | Key | null>(null);
  const [made, setMade] = useState<Schemas['ApiKeyMade'] | null>(null);
  const make = async (values: Record<string, unknown>) => {
    const scopes = (Object.keys(SCOPES) as Scope[]).filter((scope) => values[scope] === true);
    setMade(await body(api.POST('/api/v1/api-keys', { body: { name: String(values['name'] ?? ''), scopes } })));
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
            <TableHead><TableRow><TableCell>Name</TableCell><TableCell>Scopes</TableCell><TableCell>Made</TableCell><TableCell>Last used</TableCell><TableCell>Ends</TableCell><TableCell /></TableRow></TableHead>
            <TableBody>
              {keys.data?.data.map((key) => (
                <TableRow key={key.id} hover>
                  <TableCell>{key.name}</TableCell><TableCell>{key.scopes.join(', ')}</TableCell><TableCell><When at={key.created_at} part="minute" /></TableCell><TableCell><When at={key.last_used_at} part="minute" /></TableCell><TableCell>{key.expires_at ? <When at={key.expires_at} part="minute" /> : 'never'}</TableCell>
                  <TableCell align="right" sx={{ py: '0 !important' }}><Button color="error" onClick={() => setDoing(key)}>Delete</Button></TableCell>
                </TableRow>
              ))}
            </TableBody>
          </Table>
        )}
      </Panel>
      {doing === 'new' && <FormDialog title="New API key" verb="Create" fields={FIELDS} start={{ read: true }} onClose={() => setDoing(null)} onSend={make} />}
      {doing !== null && typeof doing === 'object' && (
        <Confirm title={`Delete key ${doing.name}?`} verb="Delete" onClose={() => setDoing(null)}
          onSend={async () => {
            await body(api.DELETE('/api/v1/api-keys/{id}', { params: { path: { id: doing.id } } }));
            await queries.invalidateQueries({ queryKey: ['api-keys'] });
          }}>
          Programs that use it are refused from this moment on.
        </Confirm>
      )}
    </>
  );
}
