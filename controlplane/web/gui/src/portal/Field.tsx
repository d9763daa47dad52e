/** A short text that is asked for when Enter is pressed or the field is left. */
import { useState } from 'react';
import { TextField } from '@mui/material';

export function Field({ label, value, onChange }: { label: string; value: string; onChange: (text: string) => void }) {
  const [text, setText] = useState(value);
  const send = () => text.trim() !== value && onChange(text.trim());
  return <TextField size="small" label={label} value={text} onChange={(event) => setText(event.target.value)} onBlur={send} onKeyDown={(event) => event.key === 'Enter' && send()} />;
}
