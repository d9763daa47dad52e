/** One of some values: a list to open, or a field to type into where there are too many for that. */
import { Autocomplete, createFilterOptions, MenuItem, TextField, type TextFieldProps } from '@mui/material';

/** A value and what is shown. */
export interface Choice {
  value: string;
  text: string;
}

/** A list of more would take seconds to open. */
const LISTED_MAX = 200;

const fitting = createFilterOptions<Choice>({ limit: 100, stringify: ({ text }) => text });

interface Props extends Pick<TextFieldProps, 'sx' | 'name' | 'label' | 'error' | 'helperText' | 'fullWidth' | 'required' | 'autoFocus'> {
  value: string;
  choices: Choice[];
  onPick: (value: string) => void;
}

export function OneOf({ value, choices, onPick, sx, fullWidth = false, ...rest }: Props) {
  if (choices.length <= LISTED_MAX) {
    return (
      <TextField select value={value} onChange={(event) => onPick(event.target.value)} sx={sx} fullWidth={fullWidth} {...rest}>
        {choices.map((choice) => <MenuItem key={choice.value} value={choice.value}>{choice.text}</MenuItem>)}
      </TextField>
    );
  }
  return (
    <Autocomplete
      options={choices}
      value={choices.find((choice) => choice.value === value) ?? null}
      getOptionLabel={({ text }) => text}
      getOptionKey={(choice) => choice.value}
      isOptionEqualToValue={(one, other) => one.value === other.value}
      filterOptions={fitting}
      onChange={(_, choice) => onPick(choice?.value ?? '')}
      fullWidth={fullWidth}
      sx={sx}
      renderInput={(params) => <TextField {...params} {...rest} />}
    />
  );
}
