/** One box for a number, a prefix, a Call-ID, a carrier or an id. */
import { useState, type Ref } from 'react';
import { Autocomplete, Box, InputAdornment, TextField } from '@mui/material';
import Search from '@mui/icons-material/SearchOutlined';
import { useLocation } from 'wouter';
import { guess } from '../common/guess';
import { leaveBy } from '../common/Leave';

/** The search box of the top bar; `/` puts the cursor into it. */
export function SearchBox({ inputRef }: { inputRef: Ref<HTMLInputElement> }) {
  const [, go] = useLocation();
  const [text, setText] = useState('');
  const leave = (href: string) => {
    setText('');
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    leaveBy(() => go(href));
  };
  return (
    <Autocomplete
      freeSolo
      autoHighlight
      options={guess(text)}
      filterOptions={(options) => options}
      getOptionLabel={(option) => (typeof option === 'string' ? option : option.as)}
      inputValue={text}
      value={null}
      onInputChange={(_, value, reason) => reason !== 'reset' && setText(value)}
      onChange={(_, option) => {
        // Enter with nothing chosen gives the text: it leads to the likeliest.
        const found = typeof option === 'string' ? guess(option)[0] : option;
        if (found) leave(found.href);
      }}
      renderOption={({ key: _, ...props }, option) => (
        <li key={option.href} {...props}>
          <Box component="span" sx={{ fontSize: '0.8rem' }}>
            <b>{text.trim()}</b> <Box component="span" sx={{ color: 'text.secondary' }}>{option.as}</Box>
          </Box>
        </li>
      )}
      sx={{ width: { xs: '100%', sm: 340 }, maxWidth: 420, minWidth: 90 }}
      renderInput={(params) => (
        <TextField
          {...params}
          inputRef={inputRef}
          placeholder="Search number, carrier, id  ( / )"
          slotProps={{
            ...params.slotProps,
            htmlInput: { ...params.slotProps.htmlInput, 'aria-label': 'Search' },
            input: {
              ...params.slotProps.input,
              startAdornment: <InputAdornment position="start" sx={{ mr: 0, ml: 0.5 }}><Search sx={{ fontSize: 17 }} /></InputAdornment>,
              sx: { py: '1px !important', fontSize: '0.8rem' },
            },
          }}
        />
      )}
    />
  );
}
