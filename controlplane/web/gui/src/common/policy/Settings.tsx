/** Inputs made from the API's description of a field: one component a kind. */
import { useState } from 'react';
import { Box, Button, Checkbox, FormControlLabel, FormHelperText, IconButton, MenuItem, TextField, Tooltip, Typography } from '@mui/material';
import Add from '@mui/icons-material/AddOutlined';
import Delete from '@mui/icons-material/DeleteOutlineOutlined';
import type { Setting } from './schema';
import { at, linesOf, numberOf, put, textOf, wordsOf } from './values';

/** What every input gets. */
export interface InputProps {
  setting: Setting;
  value: unknown;
  onChange: (value: unknown) => void;
  /** The refusal's sentence for a path of the policy, such as `rewrite.0.pattern`. */
  wrong: (path: string) => string | undefined;
  /** Where the setting stands: `rewrite.0.pattern`. */
  path: string;
  /** A part without a head of its own: it has its section for itself. */
  bare?: boolean;
}

/** Fields side by side where there is room. */
export const GRID = { display: 'grid', gridTemplateColumns: { xs: 'minmax(0, 1fr)', sm: 'repeat(2, minmax(0, 1fr))' }, gap: 1.75, alignItems: 'start' } as const;
const WHOLE_ROW = { gridColumn: '1 / -1' } as const;

function Tick({ setting, value, onChange, wrong, path }: InputProps) {
  const said = wrong(path);
  return (
    <Box>
      <FormControlLabel label={setting.label} control={<Checkbox size="small" name={path} checked={(value ?? setting.start) === true} onChange={(event) => onChange(event.target.checked === (setting.start === true) ? undefined : event.target.checked)} />} />
      <FormHelperText error={said !== undefined} sx={{ mt: -0.5, ml: 3.75 }}>{said ?? setting.help}</FormHelperText>
    </Box>
  );
}

function Choice({ setting, value, onChange, wrong, path }: InputProps) {
  const said = wrong(path);
  const shown = typeof value === 'string' ? value : String(setting.start ?? '');
  const known = (wanted: string) => setting.choices.find((choice) => choice.value === wanted);
  const help = setting.help === '' ? '' : `${setting.help} ${known(shown)?.text ?? shown}: ${known(shown)?.help ?? ''}`;
  return (
    <TextField select fullWidth label={setting.label} name={path} value={shown} error={said !== undefined} helperText={said ?? help}
      onChange={(event) => onChange(event.target.value === setting.start ? undefined : event.target.value)}
      slotProps={{ select: { renderValue: (wanted) => known(String(wanted))?.text ?? String(wanted) } }}>
      {setting.choices.map((choice) => (
        <MenuItem key={choice.value} value={choice.value} sx={{ display: 'block', whiteSpace: 'normal', maxWidth: 420 }}>
          <div>{choice.text}{choice.value === setting.start && <Typography component="span" variant="caption" sx={{ color: 'text.secondary' }}> (default)</Typography>}</div>
          <Typography variant="caption" component="div" sx={{ color: 'text.secondary' }}>{choice.help}</Typography>
        </MenuItem>
      ))}
    </TextField>
  );
}

function Text({ setting, value, onChange, wrong, path }: InputProps) {
  const said = wrong(path);
  const number = setting.kind === 'number';
  const shown = value === undefined || value === null || (number && value === 0) ? '' : String(value);
  return (
    <TextField fullWidth label={setting.label} name={path} value={shown} placeholder={setting.placeholder} error={said !== undefined} helperText={said ?? setting.help}
      type={setting.kind === 'password' ? 'password' : 'text'}
      onChange={(event) => onChange(event.target.value === '' ? undefined : number ? numberOf(event.target.value) : event.target.value)}
      slotProps={{ inputLabel: { shrink: true }, htmlInput: { inputMode: number ? 'numeric' : undefined, autoComplete: setting.kind === 'password' ? 'new-password' : 'off' } }} />
  );
}

/** A list written as text: what is typed stays as it was typed. */
function Many({ setting, value, onChange, wrong, path }: InputProps) {
  const lines = setting.kind === 'lines';
  const list = Array.isArray(value) ? value : [];
  const [text, setText] = useState(() => (lines ? textOf(list) : list.join(', ')));
  const said = wrong(path);
  const change = (next: string) => {
    setText(next);
    onChange(lines ? linesOf(next) : wordsOf(next, setting.numeric));
  };
  const how = lines ? ' One a line: 44 is a prefix, =441632960000 the whole number, ~^44[0-9]{9}$ an expression.' : ' Separated by commas.';
  return (
    <TextField fullWidth sx={lines ? undefined : WHOLE_ROW} label={setting.label} name={path} value={text} placeholder={setting.placeholder} multiline={lines} minRows={lines ? 2 : undefined} maxRows={10}
      error={said !== undefined} helperText={said ?? setting.help + how} onChange={(event) => change(event.target.value)} slotProps={{ inputLabel: { shrink: true }, htmlInput: { autoComplete: 'off' } }} />
  );
}

function Rows({ setting, value, onChange, wrong, path }: InputProps) {
  const rows = Array.isArray(value) ? (value as unknown[]) : [];
  const change = (index: number, row: unknown) => onChange(rows.map((old, at_) => (at_ === index ? row : old)));
  return (
    <Box sx={WHOLE_ROW}>
      <Typography variant="body2" sx={{ fontWeight: 560 }}>{setting.label}</Typography>
      <FormHelperText error={wrong(path) !== undefined && rows.length === 0} sx={{ mt: 0, mb: 1 }}>{setting.help}</FormHelperText>
      {rows.map((row, index) => (
        <Box key={index} sx={{ display: 'flex', gap: 1, alignItems: 'flex-start', mb: 1.25 }} data-row={`${path}.${index}`}>
          <Box sx={{ flex: 1, minWidth: 0, display: 'grid', gridTemplateColumns: { xs: 'minmax(0, 1fr)', sm: `repeat(${setting.inner.length}, minmax(0, 1fr))` }, gap: 1 }}>
            {setting.inner.map((inner) => (
              <Input key={inner.name} setting={{ ...inner, help: '' }} path={`${path}.${index}.${inner.name}`} value={at(row, inner.name)} wrong={wrong} onChange={(next) => change(index, put(row, inner.name, next))} />
            ))}
          </Box>
          <Tooltip title="Take this out"><IconButton aria-label={`Take ${setting.label} ${index + 1} out`} onClick={() => onChange(rows.filter((_, at_) => at_ !== index))}><Delete sx={{ fontSize: 17 }} /></IconButton></Tooltip>
        </Box>
      ))}
      <Button startIcon={<Add />} onClick={() => onChange([...rows, {}])} data-add={path}>Add</Button>
      {rows.length > 0 && setting.inner.map((inner) => <FormHelperText key={inner.name} sx={{ mt: 0.25 }}><b>{inner.label}</b>: {inner.help}</FormHelperText>)}
    </Box>
  );
}

function Part({ setting, value, onChange, wrong, path, bare = false }: InputProps) {
  const optional = setting.kind === 'optional';
  const there = !optional || (value !== undefined && value !== null);
  return (
    <Box component="fieldset" sx={{ ...WHOLE_ROW, border: 0, borderTop: bare ? 0 : 1, borderColor: 'divider', m: 0, p: 0, pt: bare ? 0 : 1, minWidth: 0 }}>
      {optional ? (
        <FormControlLabel label={setting.label} control={<Checkbox size="small" name={path} checked={there} onChange={(event) => onChange(event.target.checked ? {} : undefined)} />} />
      ) : !bare && <Typography variant="body2" component="legend" sx={{ fontWeight: 560, float: 'left', width: '100%' }}>{setting.label}</Typography>}
      <FormHelperText error={wrong(path) !== undefined && !there} sx={{ mt: 0, mb: 1.5, clear: 'both' }}>{setting.help}</FormHelperText>
      {there && <Box sx={GRID}>{setting.inner.map((inner) => <Input key={inner.name} setting={inner} path={`${path}.${inner.name}`} value={at(value, inner.name)} wrong={wrong} onChange={(next) => onChange(put(value ?? {}, inner.name, next))} />)}</Box>}
    </Box>
  );
}

const INPUTS = { tick: Tick, choice: Choice, text: Text, number: Text, password: Text, words: Many, lines: Many, rows: Rows, part: Part, optional: Part } as const;

/** The input of a setting. */
export function Input(props: InputProps) {
  const Kind = INPUTS[props.setting.kind];
  return <Kind {...props} />;
}
