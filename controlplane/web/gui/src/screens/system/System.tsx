/** Users, API keys, webhooks, who changed what, published snapshots, and jobs. The tab is the URL. */
import { Box, Button, Tab, Tabs } from '@mui/material';
import { Head } from '../../common/Panel';
import { useFilters } from '../../common/url';
import { Audit } from './Audit';
import { Jobs } from './Jobs';
import { Keys } from './Keys';
import { Revisions } from './Revisions';
import { Users } from './Users';
import { Webhooks } from './Webhooks';
import { useMay } from '../../common/May';

/** What users, keys and webhooks do is for administrators. */
const GUARDED: string[] = ['keys', 'webhooks', 'audit'];
const TABS = { users: 'Users', keys: 'API keys', webhooks: 'Webhooks', audit: 'Audit', revisions: 'Revisions', jobs: 'Jobs' } as const;
type TabName = keyof typeof TABS;

/** The screen. */
export default function System() {
  const [query, set] = useFilters();
  const may = useMay();
  const shown = Object.entries(TABS).filter(([name]) => may('admin') || !GUARDED.includes(name));
  const asked = query.get('tab') ?? 'users';
  const tab: TabName = shown.some(([name]) => name === asked) ? (asked as TabName) : 'users';
  return (
    <>
      <Head title="System"><Button component="a" href="/api/docs" target="_blank" rel="noreferrer" variant="outlined">API reference</Button></Head>
      <Box sx={{ borderBottom: 1, borderColor: 'divider', mb: 1.5 }}>
        <Tabs value={tab} onChange={(_, next: TabName) => set({ tab: next === 'users' ? '' : next, cursor: '' })} variant="scrollable">
          {shown.map(([name, text]) => <Tab key={name} value={name} label={text} />)}
        </Tabs>
      </Box>
      {tab === 'users' && <Users />}
      {tab === 'keys' && <Keys />}
      {tab === 'webhooks' && <Webhooks />}
      {tab === 'audit' && <Audit />}
      {tab === 'revisions' && <Revisions />}
      {tab === 'jobs' && <Jobs />}
    </>
  );
}
