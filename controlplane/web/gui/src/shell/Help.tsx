/** What the keys do. */
import { Box, Dialog, DialogContent, DialogTitle, Typography } from '@mui/material';
import { GO } from './keys';
import { MONO } from '../theme';

const KEYS: [string, string][] = [
  ['/', 'Search: number, prefix, call, carrier, id'],
  ['?', 'This page'],
  ...Object.entries(GO).map(([key, place]): [string, string] => [`g ${key}`, place.name]),
  ['↑ ↓', 'Move in a table'],
  ['Enter', 'Open the row'],
  ['Esc', 'Close'],
];

/** The list of keys, and how to share what one sees. */
export function Help({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog open={open} onClose={onClose} maxWidth="xs" fullWidth>
      <DialogTitle variant="h1">Keys</DialogTitle>
      <DialogContent>
        <Box component="dl" sx={{ display: 'grid', gridTemplateColumns: '64px 1fr', rowGap: 0.75, m: 0, fontSize: '0.82rem' }}>
          {KEYS.map(([key, text]) => (
            <Box key={key} sx={{ display: 'contents' }}>
              <Box component="dt">
                <Box component="kbd" sx={{ fontFamily: MONO, fontSize: '0.75rem', px: 0.75, py: 0.1, border: 1, borderColor: 'divider', borderRadius: 1 }}>
                  {key}
                </Box>
              </Box>
              <Box component="dd" sx={{ m: 0 }}>{text}</Box>
            </Box>
          ))}
        </Box>
        <Typography variant="body2" sx={{ mt: 2, color: 'text.secondary' }}>
          Filters are part of the address: copy it to show somebody what you see. Rest the pointer on a figure to read what it means.
        </Typography>
      </DialogContent>
    </Dialog>
  );
}
