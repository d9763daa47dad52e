/** Small pieces of text that every screen uses: a figure with its definition, a time, money, a state. */
import { memo, type ReactNode } from 'react';
import { Box, Chip, Tooltip, Typography } from '@mui/material';
import { definitions, type Figure } from './definitions';
import { when, zoneName, type Part, type Zone } from './format';
import { useZone } from './place';

/** A word that explains itself when the pointer rests on it. */
export function Defined({ figure, children }: { figure: Figure; children: ReactNode }) {
  return (
    <Tooltip title={definitions[figure]}>
      <Box component="span" tabIndex={0} sx={{ cursor: 'help', borderBottom: '1px dotted', borderColor: 'text.disabled' }}>{children}</Box>
    </Tooltip>
  );
}

/** A label and its value on one line of a list of facts. */
export function Fact({ name, figure, children }: { name: string; figure?: Figure; children: ReactNode }) {
  return (
    <Box sx={{ display: 'contents' }}>
      <Box component="dt" sx={{ color: 'text.secondary', whiteSpace: 'nowrap' }}>
        {figure ? <Defined figure={figure}>{name}</Defined> : name}
      </Box>
      <Box component="dd" sx={{ m: 0, minWidth: 0, overflowWrap: 'anywhere' }}>{children}</Box>
    </Box>
  );
}

/** Facts under each other in two columns. */
export function Facts({ children }: { children: ReactNode }) {
  return (
    <Box component="dl" sx={{ display: 'grid', gridTemplateColumns: 'max-content 1fr', columnGap: 2, rowGap: 0.4, m: 0, fontSize: '0.78rem' }}>
      {children}
    </Box>
  );
}

/** A moment in the chosen zone; the other zone on hover. */
export function When({ at, part = 'full' }: { at: string | null | undefined; part?: Part }) {
  const zone = useZone();
  const other: Zone = zone === 'utc' ? 'local' : 'utc';
  if (!at) return <>–</>;
  return (
    <Box component="time" dateTime={at} title={`${when(at, zone)} ${zoneName(zone)}\n${when(at, other)} ${zoneName(other)}`} sx={{ whiteSpace: 'nowrap' }}>
      {when(at, zone, part)}
    </Box>
  );
}

type Tone = 'success' | 'warning' | 'error' | 'info' | 'default';

/** One word about how something is, in colour and in text. */
export const State = memo(function State({ tone, children }: { tone: Tone; children: ReactNode }) {
  return <Chip size="small" variant="outlined" color={tone} label={children} sx={{ height: 19, fontSize: '0.7rem', fontWeight: 560, '& .MuiChip-label': { px: 0.75 } }} />;
});

/** A headline figure. `stale` greys it and says how old it is. */
export function Kpi({ figure, name, value, unit, note, stale }: { figure: Figure; name: string; value: string; unit?: string; note?: ReactNode; stale?: string }) {
  return (
    <Box sx={{ px: 1.5, py: 1, minWidth: 0, opacity: stale ? 0.5 : 1 }} data-figure={figure}>
      <Typography variant="caption" component="div" sx={{ color: 'text.secondary', fontWeight: 560 }}><Defined figure={figure}>{name}</Defined></Typography>
      <Box sx={{ fontSize: '1.45rem', lineHeight: 1.25, fontWeight: 620, letterSpacing: '-0.02em', whiteSpace: 'nowrap' }} data-value>
        {value}
        {unit && <Box component="span" sx={{ fontSize: '0.78rem', fontWeight: 500, color: 'text.secondary', ml: 0.5, letterSpacing: 0 }}>{unit}</Box>}
      </Box>
      <Typography variant="caption" component="div" sx={{ color: 'text.secondary', minHeight: '1.35em', whiteSpace: 'nowrap', overflow: 'hidden', textOverflow: 'ellipsis' }}>
        {stale ?? note}
      </Typography>
    </Box>
  );
}
