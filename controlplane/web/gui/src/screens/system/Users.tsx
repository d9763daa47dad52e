/** People who may log in. */
import { useState } from 'react';
import { Alert, Button, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import Add from '@mui/icons-material/AddOutlined';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'wouter';
import { api, body, type Schemas } from '../../api/http';
import { useCarriers } from '../../api/objects';
import { NewDialog } from '../../common/Change';
import { Confirm, FormDialog, type Field } from '../../common/Form';
import { State, When } from '../../common/Fact';
import { Panel, Trouble } from '../../common/Panel';
import { May, useMay } from '../../common/May';
import { OwnPassword } from './OwnPassword';
import { SecondFactor } from './SecondFactor';

type User = Schemas['User'];

const ROLES: { value: User['role']; text: string }[] = [{ value: 'admin', text: 'admin: everything' }, { value: 'operator', text: 'operator: all but users and keys' }, { value: 'viewer', text: 'viewer: looks only' }, { value: 'carrier', text: 'carrier: its own calls, rates and invoices only' }];

const FIELDS = (carriers: { value: string; text: string }[]): Field[] => [
  { name: 'name', label: 'Name', kind: 'text' },
  { name: 'role', label: 'Role', kind: 'choice', choices: ROLES },
  { name: 'carrier', label: 'Carrier', kind: 'choice', choices: carriers, optional: true, help: 'Of a user of the role carrier, who sees nothing else', wide: true },
  { name: 'password', label: 'Password', kind: 'password', help: 'At least 10 characters', wide: true },
];

/** Which roles must have a second factor. */
function Roles({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const roles = useQuery({ queryKey: ['second-factor-roles'], queryFn: () => body(api.GET('/api/v1/second-factor-roles')), gcTime: 0 });
  if (!roles.data) return <Trouble error={roles.error} />;
  const must = roles.data.roles;
  const start = Object.fromEntries(ROLES.map(({ value }) => [value, must.includes(value)]));
  const fields = ROLES.map(({ value }): Field => ({ name: value, label: value, kind: 'tick', help: `Users with this role and no second factor may do nothing but set one up` }));
  return (
    <FormDialog title="Who must have a second factor" verb="Save" fields={fields} start={start} onClose={onClose}
      onSend={async (values) => {
        await body(api.PUT('/api/v1/second-factor-roles', { body: { roles: ROLES.map(({ value }) => value).filter((role) => values[role] === true) } }));
        await queries.invalidateQueries();
      }} />
  );
}

/** The panel. */
export function Users() {
  const queries = useQueryClient();
  const may = useMay();
  const carriers = useCarriers();
  const users = useQuery({ queryKey: ['users'], queryFn: () => body(api.GET('/api/v1/users')), enabled: may('admin') });
  const me = useQuery({ queryKey: ['me'], queryFn: () => body(api.GET('/api/v1/me')) });
  const [doing, setDoing] = useState<'new' | 'password' | 'factor' | 'roles' | { what: 'delete' | 'factor-off'; user: User } | null>(null);
  return (
    <>
      {me.data && !me.data.has_password && <Alert severity="warning" variant="outlined" sx={{ mb: 1.5 }} action={<Button color="inherit" onClick={() => setDoing('password')}>Set a password</Button>}>You came by a one-time link. Without a password your next log-in needs a new one.</Alert>}
      <Trouble error={users.error} />
      <Panel flush title="Users" tools={<><Button onClick={() => setDoing('password')}>My password</Button><Button onClick={() => setDoing('factor')}>My second factor</Button><May to="admin"><Button onClick={() => setDoing('roles')}>Who must have one</Button><Button startIcon={<Add />} onClick={() => setDoing('new')}>New user</Button></May></>}>
        <Table size="small" sx={{ '& tr:last-child td': { borderBottom: 0 } }}>
          <TableHead><TableRow><TableCell>Name</TableCell><TableCell>Role</TableCell><TableCell>Password</TableCell><TableCell>Second factor</TableCell><TableCell>Made</TableCell><TableCell component="td" /></TableRow></TableHead>
          <TableBody>
            {!may('admin') && me.data && <TableRow><TableCell>{me.data.name} (you)</TableCell><TableCell>{me.data.role}</TableCell><TableCell>{me.data.has_password ? 'set' : <State tone="warning">none</State>}</TableCell><TableCell>{me.data.has_second_factor ? 'set' : 'none'}</TableCell><TableCell colSpan={2} /></TableRow>}
            {users.data?.data.map((user) => (
              <TableRow key={user.id} hover>
                <TableCell>{user.name}{user.id === me.data?.user && ' (you)'}</TableCell><TableCell>{user.role}{user.carrier && <> of <Link href={`/carriers/${user.carrier}`}>{carriers.data?.find((carrier) => carrier.id === user.carrier)?.code ?? user.carrier}</Link></>}</TableCell><TableCell>{user.has_password ? 'set' : <State tone="warning">none</State>}</TableCell><TableCell>{user.has_second_factor ? 'set' : 'none'}</TableCell><TableCell><When at={user.created_at} part="minute" /></TableCell>
                <TableCell align="right" sx={{ py: '0 !important', whiteSpace: 'nowrap' }}>{user.id !== me.data?.user && <>{user.has_second_factor && <Button onClick={() => setDoing({ what: 'factor-off', user })}>Second factor off</Button>}<Button color="error" onClick={() => setDoing({ what: 'delete', user })}>Delete</Button></>}</TableCell>
              </TableRow>
            ))}
          </TableBody>
        </Table>
      </Panel>
      {doing === 'new' && <NewDialog title="New user" fields={FIELDS(carriers.data?.map((carrier) => ({ value: carrier.id, text: carrier.code })) ?? [])} start={{ role: 'operator', carrier: null }} onClose={() => setDoing(null)} send={(values) => body(api.POST('/api/v1/users', { body: values as unknown as Schemas['UserNew'] }))} />}
      {doing === 'password' && <OwnPassword has={me.data?.has_password ?? true} onClose={() => setDoing(null)} />}
      {doing === 'factor' && <SecondFactor must={false} hasPassword={me.data?.has_password ?? true} onClose={() => setDoing(null)} />}
      {doing === 'roles' && <Roles onClose={() => setDoing(null)} />}
      {doing !== null && typeof doing === 'object' && doing.what === 'factor-off' && (
        <Confirm title={`Take the second factor off ${doing.user.name}?`} verb="Take it off" onClose={() => setDoing(null)}
          onSend={async () => {
            await body(api.DELETE('/api/v1/users/{id}/second-factor', { params: { path: { id: doing.user.id } } }));
            await queries.invalidateQueries({ queryKey: ['users'] });
          }}>
          The next log-in wants the password alone. Be sure who asks you for this; it stands in the audit.
        </Confirm>
      )}
      {doing !== null && typeof doing === 'object' && doing.what === 'delete' && (
        <Confirm title={`Delete ${doing.user.name}?`} verb="Delete" onClose={() => setDoing(null)}
          onSend={async () => {
            await body(api.DELETE('/api/v1/users/{id}', { params: { path: { id: doing.user.id } } }));
            await queries.invalidateQueries({ queryKey: ['users'] });
          }}>
          The person is logged out at once. What they changed stays in the audit.
        </Confirm>
      )}
    </>
  );
}
