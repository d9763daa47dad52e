/** Filter fields above a table. Each writes itself into the URL. */
import { useEffect, useMemo, useState } from 'react';
import { Chip, TextField } from '@mui/material';
import { OneOf, type Choice } from './OneOf';
import { useFilters } from './url';

/** How long typing must rest before the URL changes, in milliseconds. */
const REST_MS = 350;

/** Free text. */
export function TextFilter({ name, label, width = 150 }: { name: string; label: string; width?: number }) {
  const [query, set] = useFilters();
  const stored = query.get(name) ?? '';
  const [text, setText] = useState(stored);
  useEffect(() => setText(stored), [stored]);
  useEffect(() => {
    if (text.trim() === stored) return;
    const timer = window.setTimeout(() => set({ [name]: text.trim(), cursor: '' }), REST_MS);
    return () => window.clearTimeout(timer);
  }, [text, stored, name, set]);
  return <TextField label={label} value={text} onChange={(event) => setText(event.target.value)} sx={{ width: { xs: 'calc(50% - 4px)', sm: width } }} slotProps={{ htmlInput: { name, autoComplete: 'off' } }} />;
}

/** One of some values, or any. */
export function ChoiceFilter({ name, label, choices, width = 150 }: { name: string; label: string; choices: Choice[]; width?: number }) {
  const [query, set] = useFilters();
  const value = query.get(name) ?? '';
  const known = value === '' || choices.some((choice) => choice.value === value);
  const all = useMemo(() => [{ value: '', text: 'any' }, ...(known ? [] : [{ value, text: value }]), ...choices], [known, value, choices]);
  return <OneOf label={label} value={value} choices={all} onPick={(chosen) => set({ [name]: chosen, cursor: '' })} sx={{ width: { xs: 'calc(50% - 4px)', sm: width } }} />;
}

/** Ready-made filters: a chip sets all its keys, and leaves them again. */
export function Scopes({ scopes }: { scopes: { name: string; query: Record<string, string> }[] }) {
  const [query, set] = useFilters();
  const keys = [...new Set(scopes.flatMap((scope) => Object.keys(scope.query)))];
  const fits = (wanted: Record<string, string>) => keys.every((key) => (query.get(key) ?? '') === (wanted[key] ?? ''));
  return scopes.map((scope) => (
    <Chip
      key={scope.name}
      size="small"
      label={scope.name}
      color={fits(scope.query) ? 'primary' : 'default'}
      variant={fits(scope.query) ? 'filled' : 'outlined'}
      onClick={() => set({ ...Object.fromEntries(keys.map((key) => [key, ''])), ...scope.query, cursor: '' })}
    />
  ));
}
