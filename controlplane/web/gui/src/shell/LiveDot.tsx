/** Whether the figures are live, and if not, how old they are. */
import { useEffect, useState } from 'react';
import { Box, Tooltip } from '@mui/material';
import { STALE_MS, useLive } from '../api/live';
import { age } from '../common/format';

/** How old the figures are in words, or nothing while they are live. */
export function useStale(): string | undefined {
  const { at } = useLive();
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, []);
  if (at === 0 || now - at < STALE_MS) return undefined;
  return `${age(now - at)} old`;
}

/** The dot of the top bar. */
export function LiveDot() {
  const { at, last } = useLive();
  const stale = useStale();
  const live = at > 0 && stale === undefined;
  const text = at === 0 ? 'connecting' : live ? 'live' : stale;
  return (
    <Tooltip title={live ? `Figures arrive once a second. Revision ${last?.revision ?? 0}.` : 'No figures arrive. What is shown is the last that was known.'}>
      <Box sx={{ display: 'flex', alignItems: 'center', gap: 0.75, fontSize: '0.74rem', color: 'text.secondary', whiteSpace: 'nowrap' }} role="status">
        <Box sx={{ width: 8, height: 8, borderRadius: '50%', bgcolor: live ? 'success.main' : 'warning.main' }} />
        {text}
      </Box>
    </Tooltip>
  );
}
