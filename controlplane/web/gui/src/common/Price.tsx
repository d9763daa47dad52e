/** A price, step by step, as the switch computed it. */
import { Box, Typography } from '@mui/material';
import type { Schemas } from '../api/http';
import { MONO } from '../theme';
import { decimal, talk } from './format';
import { classOf } from '../screens/rates/calendar';
import { State } from './Fact';

type Arithmetic = Schemas['Arithmetic'];

/** One side's arithmetic. Every number comes from the API; the browser computes none. */
export function Price({ title, sum }: { title: string; sum: Arithmetic }) {
  return (
    <Box data-price={title}>
      <Box sx={{ display: 'flex', alignItems: 'baseline', gap: 1, mb: 0.5 }}>
        <Typography variant="h2" component="h3">{title}</Typography>
        <Typography variant="caption" sx={{ color: 'text.secondary' }}>{talk(sum.duration_ms)} talk · {sum.billed_s} s billed · rate of {sum.prefix_digits} digits{classOf(sum) && `, ${classOf(sum)}`}</Typography>
        <Box sx={{ flex: 1 }} />
        <Box component="span" sx={{ fontSize: '1rem', fontWeight: 640 }} data-price-total>{decimal(sum.price, 4)}</Box>
        <Typography variant="caption" sx={{ color: 'text.secondary' }}>{sum.currency}</Typography>
      </Box>
      <Box component="ol" sx={{ m: 0, pl: 2.5, fontFamily: MONO, fontSize: '0.72rem', lineHeight: 1.65, color: 'text.secondary', '& li::marker': { fontSize: '0.66rem' } }}>
        {sum.steps.map((step) => <li key={step}>{step}</li>)}
      </Box>
      {!sum.agrees && <Box sx={{ mt: 0.5 }}><State tone="error">the stored price differs from these terms</State></Box>}
    </Box>
  );
}
