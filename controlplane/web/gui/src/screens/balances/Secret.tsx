/** Draws the secret that the notices of an account are signed with, and shows it once. */
import { useRef, useState } from 'react';
import { Alert, Box } from '@mui/material';
import { api, body } from '../../api/http';
import { useAccounts } from '../../api/objects';
import { FormDialog, type Field } from '../../common/Form';

/** Which account, from those that there are. */
export function secretFields(accounts: { id: string; code: string }[]): Field[] {
  const choices = accounts.map(({ id, code }) => ({ value: id, text: code }));
  const help = 'Its notices by POST are signed with the new secret from now on (Standard Webhooks); the one before counts no more';
  return [{ name: 'account', label: 'Account', kind: 'choice', choices, help, wide: true }];
}

/** Asks for the account, draws, and shows the secret until it is closed. */
export function Secret({ onClose }: { onClose: () => void }) {
  const accounts = useAccounts();
  const [secret, setSecret] = useState<string | null>(null);
  // The form closes itself when it has sent; the secret stays.
  const sent = useRef(false);
  if (secret !== null) {
    return (
      <Alert severity="warning" variant="outlined" onClose={onClose} sx={{ m: 1.5 }}>
        Copy it now, it is shown this once: <Box component="code" data-secret sx={{ userSelect: 'all', overflowWrap: 'anywhere' }}>{secret}</Box>
      </Alert>
    );
  }
  const send = async (values: Record<string, unknown>) => {
    const id = String(values['account']);
    const drawn = await body(api.POST('/api/v1/accounts/{id}/notice-secret', { params: { path: { id } } }));
    sent.current = true;
    setSecret(drawn.secret);
  };
  return <FormDialog title="Draw a signing secret" verb="Draw" fields={secretFields(accounts.data ?? [])} start={{}} onClose={() => sent.current || onClose()} onSend={send} />;
}
