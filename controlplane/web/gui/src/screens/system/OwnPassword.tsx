/** The own password, of whoever is logged in. */
import { useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { FormDialog, type Field } from '../../common/Form';

/** The own password: the first administrator comes by link and has none. */
export function OwnPassword({ has, onClose }: { has: boolean; onClose: () => void }) {
  const queries = useQueryClient();
  const current: Field[] = has ? [{ name: 'current', label: 'Present password', kind: 'password', wide: true }] : [];
  return (
    <FormDialog title="Your password" verb="Save" start={{}} onClose={onClose} fields={[...current, { name: 'password', label: 'New password', kind: 'password', help: 'At least 10 characters', wide: true }]}
      onSend={async (values) => {
        await body(api.PUT('/api/v1/me/password', { body: values as unknown as Schemas['PasswordNew'] }));
        await queries.invalidateQueries();
      }} />
  );
}
