/** Forms from a list of fields. What the API refuses is shown beside the field that it names. */
import { lazy, Suspense, useState, type FormEvent } from 'react';
import { Box, Button, Checkbox, Dialog, DialogActions, DialogContent, DialogTitle, FormControlLabel, FormHelperText, Tab, Tabs, TextField, useMediaQuery } from '@mui/material';
import { Refused } from '../api/http';
import { useLeave } from './Leave';
import { OneOf, type Choice } from './OneOf';
import { Trouble, Waiting } from './Panel';
import type { Policy, Side } from './policy/schema';
import { cleaned } from './policy/values';

const Signalling = lazy(() => import('./policy/Signalling'));

/** One field of a form. */
export interface Field {
  name: string;
  label: string;
  kind: 'text' | 'number' | 'password' | 'choice' | 'tick' | 'lines' | 'long';
  help?: string;
  /** Choices: value and what is shown. */
  choices?: Choice[];
  /** May be left empty: then its value is null. */
  optional?: boolean;
  /** Takes the whole row. */
  wide?: boolean;
}

/** What stands in the fields. Numbers are numbers, money, names and `long` texts are strings, `lines` are arrays. */
export type Values = Record<string, string | number | boolean | string[] | Policy | null>;

interface Props {
  title: string;
  fields: Field[];
  start: Values;
  verb: string;
  /** The object has a signalling policy, of this side: a tab of its own. */
  side?: Side;
  onClose: () => void;
  /** Sends the values; a refusal is shown in the form. */
  onSend: (values: Values) => Promise<unknown>;
}

/** What stands in a form's fields as it is typed. */
export type Texts = Record<string, string | boolean>;

function toTexts(fields: Field[], start: Values): Texts {
  return Object.fromEntries(
    fields.map(({ name, kind }) => {
      const value = start[name];
      if (kind === 'tick') return [name, value === true];
      if (Array.isArray(value)) return [name, value.join('\n')];
      return [name, value === null || value === undefined ? '' : String(value)];
    }),
  );
}

/** Reads the fields back: the inverse of what the form shows. */
export function toValues(fields: Field[], texts: Texts): Values {
  return Object.fromEntries(
    fields.map(({ name, kind, optional }) => {
      const text = texts[name] ?? '';
      if (typeof text === 'boolean') return [name, text];
      const plain = text.trim();
      if (kind === 'lines') return [name, plain.split(/[\n,]+/).map((line) => line.trim()).filter((line) => line !== '')];
      if (plain === '' && optional) return [name, null];
      return [name, kind === 'number' ? Number(plain.replace('−', '-')) : plain];
    }),
  );
}

/** Numbers that are none: the API would hear nothing of them, as of what was left as it is. */
export function unreadable(fields: Field[], texts: Texts): { pointer: string; detail: string }[] {
  const wrong = ({ name, kind, optional }: Field) => {
    const text = String(texts[name] ?? '').trim();
    return kind === 'number' && !/^[-−]?\d{1,15}$/.test(text) && !(optional && text === '');
  };
  return fields.filter(wrong).map(({ name }) => ({ pointer: `/${name}`, detail: 'a whole number is wanted' }));
}

/** Numbers are read before anything is sent. */
class Unreadable extends Refused {
  constructor(errors: { pointer: string; detail: string }[]) {
    super(422, { title: 'Not sent', detail: 'a whole number is wanted', errors: errors.map(({ pointer, detail }) => ({ pointer, message: detail })) });
  }
}

/** The refusal's sentence for a field, by its JSON pointer. */
function flaw(error: unknown, name: string): string | undefined {
  if (!(error instanceof Refused)) return undefined;
  return error.fields.find((field) => field.pointer === `/${name}` || field.pointer.startsWith(`/${name}/`))?.detail;
}

interface OneProps {
  field: Field;
  value: string | boolean;
  wrong: string | undefined;
  focus: boolean;
  onChange: (value: string | boolean) => void;
}

function One({ field, value, wrong, focus, onChange }: OneProps) {
  const many = field.kind === 'lines' || field.kind === 'long';
  const span = field.wide || many ? { gridColumn: '1 / -1' } : {};
  if (field.kind === 'tick') {
    return (
      <Box sx={span}>
        <FormControlLabel control={<Checkbox size="small" checked={value === true} onChange={(event) => onChange(event.target.checked)} />} label={field.label} />
        {(wrong ?? field.help) && <FormHelperText error={wrong !== undefined} sx={{ mt: -0.5, ml: 3.75 }}>{wrong ?? field.help}</FormHelperText>}
      </Box>
    );
  }
  const shown = { sx: span, fullWidth: true, autoFocus: focus, name: field.name, label: field.label, required: !field.optional && field.kind !== 'lines', error: wrong !== undefined, helperText: wrong ?? field.help };
  if (field.choices) return <OneOf {...shown} value={String(value)} choices={field.choices} onPick={onChange} />;
  return (
    <TextField
      {...shown}
      type={field.kind === 'password' ? 'password' : 'text'}
      multiline={many}
      minRows={many ? 2 : undefined}
      maxRows={many ? 8 : undefined}
      value={value}
      onChange={(event) => onChange(event.target.value)}
      slotProps={{ htmlInput: { inputMode: field.kind === 'number' ? 'numeric' : undefined, autoComplete: field.kind === 'password' ? 'new-password' : 'off' } }}
    />
  );
}

const inPolicy = (error: unknown) => error instanceof Refused && error.fields.some((field) => field.pointer.startsWith('/policy'));

/** A dialog with a form; it closes when the API has accepted. */
export function FormDialog({ title, fields, start, verb, side, onClose, onSend }: Props) {
  const narrow = useMediaQuery('(max-width:599px)');
  const [policy, setPolicy] = useState<unknown>(start['policy'] ?? {});
  const [tab, setTab] = useState<'object' | 'policy'>('object');
  const [first] = useState<Texts>(() => toTexts(fields, start));
  const [texts, setTexts] = useState<Texts>(first);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const said = (of: unknown) => JSON.stringify(cleaned(of) ?? {});
  const leave = useLeave(JSON.stringify(texts) !== JSON.stringify(first) || said(policy) !== said(start['policy']));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      const flaws = unreadable(fields, texts);
      if (flaws.length > 0) throw new Unreadable(flaws);
      const values = toValues(fields, texts);
      await onSend(side ? { ...values, policy: (cleaned(policy) ?? {}) as Policy } : values);
      onClose();
    } catch (reason) {
      setError(reason);
      setBusy(false);
      if (side) setTab(inPolicy(reason) ? 'policy' : 'object');
    }
  };
  return (
    <>
    <Dialog open onClose={() => leave.ask(onClose)} maxWidth={side ? 'md' : 'sm'} fullWidth fullScreen={narrow && side !== undefined}>
      <Box component="form" onSubmit={submit} noValidate sx={{ display: 'contents' }}>
        <DialogTitle variant="h1">{title}</DialogTitle>
        {side && <Tabs value={tab} onChange={(_, next: 'object' | 'policy') => setTab(next)} sx={{ px: { xs: 2, sm: 3 }, minHeight: 36, borderBottom: 1, borderColor: 'divider' }}><Tab value="object" label="Basics" sx={{ minHeight: 36 }} /><Tab value="policy" label={side === 'carrier' ? 'Captures, recordings' : 'Signalling'} sx={{ minHeight: 36 }} /></Tabs>}
        <DialogContent sx={side ? { px: { xs: 1.5, sm: 3 }, pt: '16px !important', minHeight: { sm: 420 } } : undefined}>
          <Trouble error={error} />
          {side && tab === 'policy' && <Suspense fallback={<Waiting />}><Signalling side={side} value={policy} error={error} onChange={setPolicy} /></Suspense>}
          <Box sx={{ display: tab === 'policy' ? 'none' : 'grid', gridTemplateColumns: { xs: '1fr', sm: '1fr 1fr' }, gap: 1.75, pt: 0.75 }}>
            {fields.map((field, index) => (
              <One key={field.name} field={field} value={texts[field.name] ?? ''} wrong={flaw(error, field.name)} focus={index === 0} onChange={(value) => setTexts((old) => ({ ...old, [field.name]: value }))} />
            ))}
          </Box>
        </DialogContent>
        <DialogActions sx={{ px: 3, pb: 2 }}>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="contained" disabled={busy}>{verb}</Button>
        </DialogActions>
      </Box>
    </Dialog>
    {leave.question}
    </>
  );
}

/** Asks before something that cannot be undone. */
export function Confirm({ title, children, verb, onClose, onSend }: { title: string; children: React.ReactNode; verb: string; onClose: () => void; onSend: () => Promise<unknown> }) {
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setBusy(true);
    try {
      await onSend();
      onClose();
    } catch (reason) {
      setError(reason);
      setBusy(false);
    }
  };
  return (
    <Dialog open onClose={onClose} maxWidth="xs" fullWidth>
      <DialogTitle variant="h1">{title}</DialogTitle>
      <DialogContent>
        <Trouble error={error} />
        <Box sx={{ fontSize: '0.82rem' }}>{children}</Box>
      </DialogContent>
      <DialogActions sx={{ px: 3, pb: 2 }}>
        <Button onClick={onClose} autoFocus>Cancel</Button>
        <Button color="error" variant="contained" disabled={busy} onClick={() => void send()}>{verb}</Button>
      </DialogActions>
    </Dialog>
  );
}
