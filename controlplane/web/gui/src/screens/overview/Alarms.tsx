/** What nodes found that somebody should look at, the worst first, with what to do about it. */
import { Alert, Box } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { When } from '../../common/Fact';

type Alarm = Schemas['Alarm'];

/** Lines that are shown; the others are counted. */
const SHOWN_MAX = 5;

/** Those that stand, the worst first, the newest of these first. */
export function worstFirst(alarms: Alarm[]): Alarm[] {
  const rank = (alarm: Alarm) => (alarm.level === 'fail' ? 0 : 1);
  return [...alarms].sort((a, b) => rank(a) - rank(b) || b.raised_at.localeCompare(a.raised_at));
}

/** The lines; nothing while all is well or the database is away. */
export function Alarms() {
  const alarms = useQuery({ queryKey: ['alarms'], queryFn: () => body(api.GET('/api/v1/alarms', { params: { query: { standing: true } } })), refetchInterval: 5_000 });
  const all = worstFirst(alarms.data?.data ?? []);
  if (all.length === 0) return null;
  return (
    <Alert severity={all[0]?.level === 'fail' ? 'error' : 'warning'} variant="outlined" sx={{ mb: 1.5, '& .MuiAlert-message': { minWidth: 0, overflowWrap: 'anywhere' } }} data-alarms>
      {all.slice(0, SHOWN_MAX).map((alarm) => (
        <Box key={alarm.id}><b>Node {alarm.node}: {alarm.what}.</b> What to do: {alarm.mend}. Since <When at={alarm.raised_at} />.</Box>
      ))}
      {all.length > SHOWN_MAX && <Box>and {all.length - SHOWN_MAX} more: <code>tandem alarms</code></Box>}
    </Alert>
  );
}
