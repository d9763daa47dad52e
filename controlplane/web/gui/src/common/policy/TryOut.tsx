/** Rewrites tried on a number by the API while they are being written. */
import { useEffect, useState } from 'react';
import { Box, MenuItem, TextField, Typography } from '@mui/material';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { api, body, Refused, type Schemas } from '../../api/http';
import type { Setting } from './schema';
import { cleaned } from './values';

type Field = Schemas['RewriteField'];

/** How long a pause in typing must be before the API is asked. */
const PAUSE_MS = 300;

function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

/** A number to type and what becomes of it; `onWrong` hears which rewrite is refused. */
export function TryOut({ setting, value, onWrong }: { setting: Setting; value: unknown; onWrong: (error: unknown) => void }) {
  const fields = setting.inner.find((inner) => inner.name === 'field')?.choices ?? [];
  const [field, setField] = useState<Field>('called');
  const [text, setText] = useState('');
  const rewrite = useSettled(JSON.stringify(cleaned(value) ?? []));
  const asked = useSettled(text.trim());
  const tried = useQuery({
    queryKey: ['rewrites', rewrite, field, asked],
    queryFn: () => body(api.POST('/api/v1/rewrites:try', { body: { rewrite: JSON.parse(rewrite) as Schemas['Rewrite'][], field, text: asked } })),
    enabled: asked !== '',
    retry: false,
    placeholderData: keepPreviousData,
  });
  const { error } = tried;
  useEffect(() => onWrong(error), [error]); // eslint-disable-line
  const result = tried.data;
  return (
    <Box sx={{ gridColumn: '1 / -1', p: 1.25, border: 1, borderColor: 'divider', borderRadius: 1 }} data-try-out>
      <Box sx={{ display: 'grid', gridTemplateColumns: { xs: 'minmax(0, 1fr)', sm: '150px minmax(0, 1fr)' }, gap: 1 }}>
        <TextField select label="Try as" value={field} onChange={(event) => setField(event.target.value as Field)}>
          {fields.map((choice) => <MenuItem key={choice.value} value={choice.value}>{choice.text}</MenuItem>)}
        </TextField>
        <TextField label="Number to try" name="try" value={text} placeholder="0044207123456" onChange={(event) => setText(event.target.value)} slotProps={{ inputLabel: { shrink: true }, htmlInput: { autoComplete: 'off' } }} />
      </Box>
      <Box role="status" sx={{ mt: 1, fontSize: '0.8rem', overflowWrap: 'anywhere' }}>
        {asked === '' && <Typography variant="caption" sx={{ color: 'text.secondary' }}>Type a number to see what the rewrites make of it.</Typography>}
        {asked !== '' && error && <Typography variant="caption" sx={{ color: 'error.main' }}>{error instanceof Refused ? error.detail : 'no answer'}</Typography>}
        {asked !== '' && !error && result && (
          <>
            <b data-tried>{result.text === '' ? '(empty)' : result.text}</b>
            <Typography variant="caption" component="div" sx={{ color: result.cause ? 'error.main' : 'text.secondary' }}>
              {result.cause ? `This is no number: the call would be refused with cause ${result.cause}. ` : ''}
              {result.steps.some((step) => step !== null) ? `Changed by ${result.steps.flatMap((step, index) => (step === null || step === undefined ? [] : [`${index + 1}`])).join(', ')}` : 'No rewrite matched'}
            </Typography>
          </>
        )}
      </Box>
    </Box>
  );
}
