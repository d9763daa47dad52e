/** The login page. */
import { useState, type FormEvent } from 'react';
import { Alert, Box, Button, Dialog, DialogActions, DialogContent, DialogTitle, Paper, TextField, Typography } from '@mui/material';
import { Refused } from '../../api/http';
import type { Login as LoginState } from './login';

function Why({ error }: { error: unknown }) {
  if (!error) return null;
  const text = error instanceof Refused ? error.detail || error.title : 'The control plane does not answer.';
  return <Alert severity="error" variant="outlined" sx={{ mb: 2 }}>{text}</Alert>;
}

function CodeField({ code, onChange }: { code: string; onChange: (code: string) => void }) {
  return <TextField fullWidth autoFocus label="Code" name="code" helperText="Six digits of your authenticator, or a recovery code" value={code} onChange={(event) => onChange(event.target.value)} sx={{ my: 2 }} slotProps={{ htmlInput: { autoComplete: 'one-time-code' } }} />;
}

/** User and password, and a code where one is wanted; the first administrator comes by the one-time link that the switch printed. */
export function Login({ login }: { login: LoginState }) {
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    await login.enter(user, password, code.trim());
    setCode('');
    setBusy(false);
  };
  return (
    <Box sx={{ minHeight: '100vh', display: 'grid', placeItems: 'center', p: 2 }}>
      <Paper variant="outlined" component="form" onSubmit={submit} sx={{ width: '100%', maxWidth: 360, p: 3.5 }}>
        <Box sx={{ display: 'flex', alignItems: 'center', gap: 1.25, mb: 0.5 }}>
          <img src="/tandem.svg" alt="" width={28} height={28} />
          <Typography component="h1" sx={{ fontWeight: 700, fontSize: '1.25rem', letterSpacing: '-0.02em' }}>Tandem</Typography>
        </Box>
        <Typography variant="body2" sx={{ color: 'text.secondary', mb: 2.5 }}>Class 4 VoIP switch</Typography>
        <Why error={login.error} />
        <TextField fullWidth label="User" name="user" autoComplete="username" autoFocus value={user} onChange={(event) => setUser(event.target.value)} sx={{ mb: 1.5 }} />
        <TextField fullWidth label="Password" name="password" type="password" autoComplete="current-password" value={password} onChange={(event) => setPassword(event.target.value)} sx={{ mb: 2 }} />
        {login.wantsCode && <CodeField code={code} onChange={setCode} />}
        <Button type="submit" variant="contained" fullWidth disabled={busy || user === '' || password === '' || (login.wantsCode && code.trim() === '')} sx={{ py: 0.9 }}>Log in</Button>
        <Typography variant="caption" component="p" sx={{ color: 'text.secondary', mt: 2, mb: 0 }}>
          No user yet? Tandem prints a one-time login link when it starts. It works once, for 15 minutes.
        </Typography>
      </Paper>
    </Box>
  );
}

/** Asks the user of a login that has ended, over what is on the screen, so that nothing typed is lost. */
export function LoginAgain({ login }: { login: LoginState }) {
  const [user, setUser] = useState(login.user);
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    if (await login.enter(user, password, code.trim())) return;
    setCode('');
    setBusy(false);
  };
  return (
    <Dialog open maxWidth="xs" fullWidth data-login-again>
      <Box component="form" onSubmit={submit} sx={{ display: 'contents' }}>
        <DialogTitle variant="h1">Your login has ended</DialogTitle>
        <DialogContent>
          <Why error={login.error} />
          <Typography variant="body2" sx={{ mb: 2 }}>Log in again: what you typed on this page is still there. As somebody else you begin anew.</Typography>
          <TextField fullWidth label="User" name="user" autoComplete="username" value={user} onChange={(event) => setUser(event.target.value)} sx={{ mb: 1.5 }} />
          <TextField fullWidth label="Password" name="password" type="password" autoComplete="current-password" autoFocus value={password} onChange={(event) => setPassword(event.target.value)} />
          {login.wantsCode && <CodeField code={code} onChange={setCode} />}
        </DialogContent>
        <DialogActions sx={{ px: 3, pb: 2 }}>
          <Button onClick={login.leave}>Leave</Button>
          <Button type="submit" variant="contained" disabled={busy || user === '' || password === '' || (login.wantsCode && code.trim() === '')}>Log in</Button>
        </DialogActions>
      </Box>
    </Dialog>
  );
}
