/** What a carrier's user sees: its own balance, calls, rates, payments and invoices. It asks for /api/v1/portal alone; the API refuses it everything else. */
import { useState, type ReactNode } from 'react';
import { AppBar, Box, Button, Link as Anchor, Tab, Table, TableBody, TableCell, TableHead, TableRow, Tabs, Toolbar, Typography } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { Link, useLocation } from 'wouter';
import { api, body, type Schemas } from '../api/http';
import { Fact, Facts, State, When } from '../common/Fact';
import { Field } from './Field';
import { count, decimal, NONE, talk, when } from '../common/format';
import { Empty, Head, Panel, Trouble, Waiting } from '../common/Panel';
import { OwnPassword } from '../screens/system/OwnPassword';
import { SecondFactor } from '../screens/system/SecondFactor';

const PLACES = [
  { href: '/', name: 'Overview' },
  { href: '/cdrs', name: 'Calls' },
  { href: '/rates', name: 'Rates' },
  { href: '/money', name: 'Payments and invoices' },
  { href: '/login', name: 'My log-in' },
];

function Rows({ head, empty, children }: { head: string[]; empty: string; children: ReactNode[] | undefined }) {
  if (children === undefined) return <Waiting rows={3} />;
  if (children.length === 0) return <Empty title={empty} />;
  return (
    <Table size="small" sx={{ '& tr:last-child td': { borderBottom: 0 } }}>
      <TableHead><TableRow>{head.map((name) => <TableCell key={name} component={name === '' ? 'td' : 'th'}>{name}</TableCell>)}</TableRow></TableHead>
      <TableBody>{children}</TableBody>
    </Table>
  );
}

function useOverview() {
  return useQuery({ queryKey: ['portal', 'overview'], queryFn: () => body(api.GET('/api/v1/portal/overview')), refetchInterval: 5_000 });
}

function Overview() {
  const seen = useOverview();
  const calls = useQuery({ queryKey: ['portal', 'calls'], queryFn: () => body(api.GET('/api/v1/portal/calls')), refetchInterval: 5_000 });
  if (!seen.data) return seen.error ? <Trouble error={seen.error} /> : <Waiting rows={6} />;
  return (
    <>
      <Head title={seen.data.name || seen.data.code} />
      <Box sx={{ display: 'grid', gap: 1.5, gridTemplateColumns: { xs: 'minmax(0, 1fr)', md: 'repeat(2, minmax(0, 1fr))' }, mb: 1.5 }}>
        {seen.data.accounts.map((account) => (
          <Panel key={account.id} title={`Account ${account.code}`}>
            <Facts>
              <Fact name="Balance"><b data-balance>{decimal(account.balance)}</b> {account.currency}</Fact>
              <Fact name="Left for calls">{decimal(account.available)} {account.currency}</Fact>
              <Fact name="Credit limit">{decimal(account.credit_limit)}</Fact>
            </Facts>
          </Panel>
        ))}
        <Panel title="Limits" note={`${count(seen.data.calls)} calls run, ${count(seen.data.answered)} answered`} flush>
          <Rows head={['Trunk', 'Calls', 'At most', 'New a second at most', '']} empty="No trunk is set up for you">
            {seen.data.trunks.map((trunk) => (
              <TableRow key={trunk.code}>
                <TableCell>{trunk.code}</TableCell><TableCell>{count(trunk.calls)}</TableCell><TableCell>{count(trunk.capacity)}</TableCell><TableCell>{count(trunk.cps)}</TableCell>
                <TableCell>{!trunk.active && <State tone="warning">takes no calls</State>}</TableCell>
              </TableRow>
            ))}
          </Rows>
        </Panel>
      </Box>
      <Trouble error={calls.error} />
      <Panel title="Running calls" flush>
        <Rows head={['Since', 'Trunk', 'From', 'To', 'Talking', 'A minute']} empty="No call runs">
          {calls.data?.data.map((call) => (
            <TableRow key={call.id}>
              <TableCell><When at={call.started_at} part="clock" /></TableCell><TableCell>{call.trunk}</TableCell><TableCell>{call.calling}</TableCell><TableCell>{call.called}</TableCell><TableCell>{call.answered ? talk(call.talking_ms) : NONE}</TableCell><TableCell>{decimal(call.per_minute, 4)}</TableCell>
            </TableRow>
          ))}
        </Rows>
      </Panel>
    </>
  );
}

const DAY_MS = 86_400_000;

function Cdrs() {
  const [called, setCalled] = useState('');
  const [days, setDays] = useState(1);
  const [till] = useState(() => Date.now());
  const [cursors, setCursors] = useState<string[]>([]);
  const query = { from: new Date(till - days * DAY_MS).toISOString(), till: new Date(till).toISOString(), limit: 100, ...(called === '' ? {} : { called }), ...(cursors.length > 0 ? { cursor: cursors.at(-1) as string } : {}) };
  const found = useQuery({ queryKey: ['portal', 'cdrs', query], queryFn: () => body(api.GET('/api/v1/portal/cdrs', { params: { query } })) });
  const next = found.data?.next_cursor;
  return (
    <>
      <Head title="Calls">
        <Field label="To, beginning with" value={called} onChange={(text) => { setCalled(text); setCursors([]); }} />
        {[1, 7, 31].map((span) => <Button key={span} variant={span === days ? 'contained' : 'outlined'} onClick={() => { setDays(span); setCursors([]); }}>{span === 1 ? '24 hours' : `${span} days`}</Button>)}
      </Head>
      <Trouble error={found.error} />
      <Panel flush>
        <Rows head={['Began', 'Trunk', 'From', 'To', 'Talked', 'Billed', 'Price', 'Ended']} empty="No calls in this time">
          {found.data?.data.map((call) => (
            <TableRow key={call.call}>
              <TableCell><When at={call.started_at} part="day" /></TableCell><TableCell>{call.trunk}</TableCell><TableCell>{call.calling}</TableCell><TableCell>{call.called}</TableCell>
              <TableCell>{call.answered_at ? talk(call.duration_ms) : NONE}</TableCell><TableCell>{call.charge ? `${call.charge.billed_s} s` : NONE}</TableCell><TableCell>{call.charge ? `${decimal(call.charge.price, 4)} ${call.charge.currency}` : NONE}</TableCell>
              <TableCell>{call.sip_status}{call.cause != null && `, cause ${call.cause}`}{call.released_by_you && ', by you'}</TableCell>
            </TableRow>
          ))}
        </Rows>
      </Panel>
      <Box sx={{ mt: 1, display: 'flex', gap: 1 }}>
        {cursors.length > 0 && <Button onClick={() => setCursors(cursors.slice(0, -1))}>Newer</Button>}
        {next && <Button onClick={() => setCursors([...cursors, next])}>Older</Button>}
      </Box>
    </>
  );
}

function DeckRates({ deck }: { deck: Schemas['PortalDeck'] }) {
  const [prefix, setPrefix] = useState('');
  const [cursors, setCursors] = useState<string[]>([]);
  const query = { limit: 100, ...(prefix === '' ? {} : { prefix }), ...(cursors.length > 0 ? { cursor: cursors.at(-1) as string } : {}) };
  const rates = useQuery({ queryKey: ['portal', 'rates', deck.id, query], queryFn: () => body(api.GET('/api/v1/portal/decks/{id}/rates', { params: { path: { id: deck.id }, query } })) });
  const next = rates.data?.next_cursor;
  return (
    <Panel title={`Prices in ${deck.currency}`} note={`calls of ${deck.trunks.join(', ')}`} flush sx={{ mb: 1.5 }} tools={<Field label="Prefix" value={prefix} onChange={(text) => { setPrefix(text); setCursors([]); }} />}>
      <Trouble error={rates.error} />
      <Rows head={['Prefix', 'Destination', 'A minute', 'Connection', 'Steps', 'From', 'Till', '']} empty="No rates">
        {rates.data?.data.map((rate) => (
          <TableRow key={rate.id}>
            <TableCell>{rate.prefix}</TableCell><TableCell>{rate.destination}</TableCell><TableCell>{decimal(rate.per_minute, 4)}</TableCell><TableCell>{decimal(rate.connection_fee)}</TableCell><TableCell>{rate.minimum_s}/{rate.increment_s}</TableCell>
            <TableCell><When at={rate.effective_from} part="minute" /></TableCell><TableCell><When at={rate.effective_till} part="minute" /></TableCell><TableCell>{rate.blocked && <State tone="warning">no calls</State>}</TableCell>
          </TableRow>
        ))}
      </Rows>
      {cursors.length > 0 && <Button onClick={() => setCursors(cursors.slice(0, -1))}>Back</Button>}
      {next && <Button onClick={() => setCursors([...cursors, next])}>More</Button>}
    </Panel>
  );
}

function Rates() {
  const [number, setNumber] = useState('');
  const decks = useQuery({ queryKey: ['portal', 'decks'], queryFn: () => body(api.GET('/api/v1/portal/decks')) });
  const check = useQuery({ queryKey: ['portal', 'check', number], enabled: number !== '', queryFn: () => body(api.GET('/api/v1/portal/rates:check', { params: { query: { number } } })) });
  return (
    <>
      <Head title="Rates"><Field label="What costs a call to" value={number} onChange={setNumber} /></Head>
      <Trouble error={number === '' ? null : check.error} />
      {number !== '' && check.data?.data.map((row) => (
        <Box key={`${row.number} ${row.deck}`} sx={{ mb: 1 }} data-check>
          {row.number}: {row.per_minute ? <><b>{decimal(row.per_minute, 4)} {row.currency}</b> a minute, {row.destination}, prefix {row.prefix}, steps {row.steps}</> : 'no price'} {row.blocked && <State tone="warning">no calls</State>}
        </Box>
      ))}
      <Trouble error={decks.error} />
      {decks.data?.data.map((deck) => <DeckRates key={deck.id} deck={deck} />)}
      {decks.data?.data.length === 0 && <Empty title="No price list">No trunk is set up for you.</Empty>}
    </>
  );
}

function AccountMoney({ account }: { account: Schemas['PortalAccount'] }) {
  const params = { path: { id: account.id } };
  const payments = useQuery({ queryKey: ['portal', 'payments', account.id], queryFn: () => body(api.GET('/api/v1/portal/accounts/{id}/payments', { params })) });
  const invoices = useQuery({ queryKey: ['portal', 'invoices', account.id], queryFn: () => body(api.GET('/api/v1/portal/accounts/{id}/invoices', { params })) });
  return (
    <Box sx={{ display: 'grid', gap: 1.5, gridTemplateColumns: { xs: 'minmax(0, 1fr)', lg: 'repeat(2, minmax(0, 1fr))' }, alignItems: 'start', mb: 1.5 }}>
      <Panel title={`Invoices, account ${account.code}`} flush>
        <Trouble error={invoices.error} />
        <Rows head={['Invoice', 'From', 'Till', 'Total', '']} empty="No invoices">
          {invoices.data?.data.map((invoice) => (
            <TableRow key={invoice.id}>
              <TableCell>{invoice.id.replace('inv_', '')}</TableCell><TableCell>{when(invoice.from, 'utc', 'minute')}</TableCell><TableCell>{when(invoice.till, 'utc', 'minute')}</TableCell><TableCell>{decimal(invoice.total)} {invoice.currency} {invoice.voided_at && <State tone="warning">void</State>}</TableCell>
              <TableCell>{(['pdf', 'csv'] as const).map((form) => <Anchor key={form} sx={{ mr: 1 }} href={`/api/v1/portal/invoices/${invoice.id}/file?format=${form}`}>{form.toUpperCase()}</Anchor>)}</TableCell>
            </TableRow>
          ))}
        </Rows>
      </Panel>
      <Panel title="Payments" flush>
        <Trouble error={payments.error} />
        <Rows head={['Booked', 'Kind', 'Amount', 'Balance', 'Reference']} empty="No payments">
          {payments.data?.data.map((payment) => (
            <TableRow key={`${payment.at} ${payment.reference}`}>
              <TableCell><When at={payment.at} part="minute" /></TableCell><TableCell>{payment.kind}</TableCell><TableCell>{decimal(payment.amount)} {account.currency}</TableCell><TableCell>{decimal(payment.balance)}</TableCell><TableCell>{payment.reference}</TableCell>
            </TableRow>
          ))}
        </Rows>
      </Panel>
    </Box>
  );
}

function Money() {
  const seen = useOverview();
  return (
    <>
      <Head title="Payments and invoices" />
      <Trouble error={seen.error} />
      {seen.data?.accounts.map((account) => <AccountMoney key={account.id} account={account} />)}
    </>
  );
}

function OwnLogin() {
  const [doing, setDoing] = useState<'password' | 'factor' | null>(null);
  return (
    <>
      <Head title="My log-in" />
      <Button onClick={() => setDoing('password')}>My password</Button> <Button onClick={() => setDoing('factor')}>My second factor</Button>
      {doing === 'password' && <OwnPassword has onClose={() => setDoing(null)} />}
      {doing === 'factor' && <SecondFactor must={false} hasPassword onClose={() => setDoing(null)} />}
    </>
  );
}

/** The pages of a carrier's user. */
export default function Portal({ user, onLogout }: { user: string; onLogout: () => void }) {
  const [path] = useLocation();
  const here = PLACES.find((place) => place.href === path)?.href ?? '/';
  return (
    <Box sx={{ minHeight: '100vh', bgcolor: 'background.default' }}>
      <AppBar position="sticky" color="inherit" elevation={0} sx={{ bgcolor: 'background.paper', borderBottom: 1, borderColor: 'divider' }}>
        <Toolbar variant="dense" sx={{ gap: 2, flexWrap: 'wrap' }}>
          <Tabs value={here} component="nav" aria-label="Pages" sx={{ flex: 1 }} variant="scrollable">
            {PLACES.map((place) => <Tab key={place.href} value={place.href} label={place.name} component={Link} href={place.href} sx={{ textTransform: 'none' }} />)}
          </Tabs>
          <Typography variant="body2" color="text.secondary">{user}</Typography>
          <Button onClick={onLogout}>Log out</Button>
        </Toolbar>
      </AppBar>
      <Box component="main" sx={{ p: { xs: 1, md: 2 }, maxWidth: 1400, mx: 'auto' }}>
        {here === '/' && <Overview />}
        {here === '/cdrs' && <Cdrs />}
        {here === '/rates' && <Rates />}
        {here === '/money' && <Money />}
        {here === '/login' && <OwnLogin />}
      </Box>
    </Box>
  );
}
