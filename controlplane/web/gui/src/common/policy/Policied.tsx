/** How many fields of a signalling policy are set, and which, for lists. */
import { Chip, Tooltip } from '@mui/material';
import type { Policy } from './schema';
import { count } from './values';

/** A chip with the count; the fields on hover. */
export function Policied({ policy, otherwise }: { policy: Policy; otherwise?: string }) {
  const set = count(policy);
  if (set === 0) return otherwise;
  return (
    <Tooltip title={`Signalling: ${Object.keys(policy).join(', ')}`}>
      <Chip size="small" variant="outlined" color="info" label={`${set} set`} sx={{ height: 19, fontSize: '0.7rem' }} tabIndex={0} />
    </Tooltip>
  );
}
