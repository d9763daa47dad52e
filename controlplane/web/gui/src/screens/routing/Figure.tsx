/** A whole number in a row of a table. */
import { TextField } from '@mui/material';

/** What is no number is not taken. */
export function Figure({ value, label, disabled = false, onChange }: { value: number; label: string; disabled?: boolean; onChange: (value: number) => void }) {
  return (
    <TextField variant="standard" disabled={disabled} value={value} onChange={(event) => /^-?\d*$/.test(event.target.value) && onChange(Number(event.target.value) || 0)} sx={{ width: 56 }}
      slotProps={{ htmlInput: { 'aria-label': label, inputMode: 'numeric', style: { textAlign: 'right' } } }} />
  );
}
