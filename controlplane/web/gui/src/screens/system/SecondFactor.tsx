/** The user's own second factor: setting one up, recovery codes, taking it off. */
import { useState, type FormEvent, type ReactNode } from 'react';
import { Alert, Box, Button, Dialog, DialogActions, DialogContent, DialogTitle, TextField } from '@mui/material';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { When } from '../../common/Fact';
import { Trouble } from '../../common/Panel';
import { MONO } from '../../theme';

type Begun = Schemas['SecondFactorBegun'];

/** A picture that came as SVG text, as an address that the page's policy allows. */
export function pictured(svg: string): string {
  return `data:image/svg+xml;utf8,${encodeURIComponent(svg)}`;
}

function Asking({ label, verb, password, children, onSend }: { label: string; verb: string; password?: boolean; children?: ReactNode; onSend: (text: string) => Promise<unknown> }) {
  const [text, setText] = useState('');
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const send = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await onSend(text.trim());
      setError(null);
    } catch (reason) {
      setError(reason);
    }
    setText('');
    setBusy(false);
  };
  return (
    <Box component="form" onSubmit={send} sx={{ display: 'grid', gap: 1.5 }}>
      <Trouble error={error} />
      {children}
      <TextField fullWidth autoFocus label={label} name={password ? 'password' : 'code'} type={password ? 'password' : 'text'} value={text} onChange={(event) => setText(event.target.value)} slotProps={{ htmlInput: { autoComplete: password ? 'current-password' : 'one-time-code' } }} />
      <Button type="submit" variant="contained" disabled={busy || text === ''}>{verb}</Button>
    </Box>
  );
}

function Codes({ codes }: { codes: string[] }) {
  return (
    <Alert severity="success" variant="outlined" data-recovery-codes>
      <b>These recovery codes are shown this once.</b> Each logs you in one time when the authenticator is lost; keep them away from it.
      <Box component="pre" sx={{ m: 0, mt: 1, fontFamily: MONO, fontSize: '0.8rem', columnCount: 2, userSelect: 'all' }}>{codes.join('\n')}</Box>
    </Alert>
  );
}

function Begin({ hasPassword, onDone }: { hasPassword: boolean; onDone: (codes: string[]) => void }) {
  const [begun, setBegun] = useState<Begun | null>(null);
  const begin = async (password: string | null) => setBegun(await body(api.POST('/api/v1/me/second-factor', { body: { password } })));
  if (begun === null) {
    const why = 'Log-ins will want six digits of an authenticator on your telephone beside the password.';
    if (hasPassword) return <Asking password label="Present password" verb="Begin" onSend={begin}>{why}</Asking>;
    return <>{why}<Button variant="contained" sx={{ mt: 1.5 }} onClick={() => void begin(null)}>Begin</Button></>;
  }
  const finish = async (code: string) => onDone((await body(api.PUT('/api/v1/me/second-factor', { body: { code } }))).recovery_codes);
  return (
    <Asking label="Six digits that it shows" verb="Put in force" onSend={finish}>
      <span>Read this with the authenticator, or type the letters below into it.</span>
      <Box component="img" src={pictured(begun.qr_svg)} alt="QR code of the second factor" sx={{ width: 220, height: 220, justifySelf: 'center', bgcolor: '#fff', p: 1, borderRadius: 1 }} />
      <Box component="code" data-secret sx={{ fontFamily: MONO, fontSize: '0.8rem', overflowWrap: 'anywhere', userSelect: 'all', textAlign: 'center' }}>{begun.secret}</Box>
    </Asking>
  );
}

function Stands({ stands, must, onDone }: { stands: Schemas['SecondFactor']; must: boolean; onDone: (codes: string[] | null) => void }) {
  const [act, setAct] = useState<'renew' | 'remove' | null>(null);
  if (act === null) {
    return (
      <Box sx={{ display: 'grid', gap: 1.5 }}>
        <span>Log-ins have wanted a code since <When at={stands.since_at} part="minute" />. Recovery codes left: {stands.recovery_codes_left}.</span>
        <Box sx={{ display: 'flex', gap: 1 }}><Button variant="outlined" onClick={() => setAct('renew')}>New recovery codes</Button>{!must && <Button color="error" variant="outlined" onClick={() => setAct('remove')}>Take it off</Button>}</Box>
      </Box>
    );
  }
  const send = async (code: string) => {
    if (act === 'renew') return onDone((await body(api.POST('/api/v1/me/recovery-codes', { body: { code } }))).recovery_codes);
    await body(api.POST('/api/v1/me/second-factor/remove', { body: { code } }));
    return onDone(null);
  };
  return <Asking label="A code, or a recovery code" verb={act === 'renew' ? 'Draw new recovery codes' : 'Take it off'} onSend={send} />;
}

/** The dialog. Where the role must have one, it cannot be closed before there is one. */
export function SecondFactor({ must, hasPassword, onClose }: { must: boolean; hasPassword: boolean; onClose: () => void }) {
  const queries = useQueryClient();
  const stands = useQuery({ queryKey: ['second-factor'], queryFn: () => body(api.GET('/api/v1/me/second-factor')) });
  const [codes, setCodes] = useState<string[] | null>(null);
  const close = () => {
    void queries.invalidateQueries();
    onClose();
  };
  const done = (shown: string[] | null) => (shown === null ? close() : setCodes(shown));
  const closes = !must || codes !== null;
  return (
    <Dialog open onClose={closes && codes === null ? close : undefined} maxWidth="xs" fullWidth>
      <DialogTitle variant="h1">Your second factor</DialogTitle>
      <DialogContent sx={{ fontSize: '0.82rem' }}>
        <Trouble error={stands.error} />
        {must && codes === null && <Alert severity="warning" variant="outlined" sx={{ mb: 1.5 }}>Whoever has your role must have one. Nothing else is open before.</Alert>}
        {codes !== null && <Codes codes={codes} />}
        {codes === null && stands.data && (stands.data.since_at ? <Stands stands={stands.data} must={must} onDone={done} /> : <Begin hasPassword={hasPassword} onDone={done} />)}
      </DialogContent>
      <DialogActions sx={{ px: 3, pb: 2 }}>{closes && <Button onClick={close}>{codes === null ? 'Close' : 'I have kept them'}</Button>}</DialogActions>
    </Dialog>
  );
}
