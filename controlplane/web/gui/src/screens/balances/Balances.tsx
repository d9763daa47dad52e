/** All balances: what is left, what is lent, what a day costs, how long it lasts; and whom has been told of what. */
import { Box, Button, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Fragment, useState } from 'react';
import { Link } from 'wouter';
import { api, body, type Schemas } from '../../api/http';
import { whole } from '../../api/objects';
import { State, When } from '../../common/Fact';
import { TextFilter } from '../../common/Filters';
import { count, decimal, NONE, signOf } from '../../common/format';
import { Empty, Head, Panel, Trouble, Waiting } from '../../common/Panel';
import { useFilters } from '../../common/url';
import { Invoices } from './Invoices';
import { Reratings } from './Reratings';
import { Secret } from './Secret';
import { May } from '../../common/May';

const TABLE = { '& td, & th': { whiteSpace: 'nowrap' }, '& tr:last-child td': { borderBottom: 0 } } as const;

const WORDS: Record<string, string> = { low: 'balance low', high: 'balance high', day_cap: 'cap of the day reached', month_cap: 'cap of the month reached' };

/** Seconds as people say them: minutes, hours or days. */
export function lasting(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** The share of a cap that is spent, of 1; null without a cap. */
export function share(spent: string, cap: string | null | undefined): number | null {
  return cap === null || cap === undefined ? null : Number(spent) / Number(cap);
}

function Cap({ spent, cap }: { spent: string; cap: string | null | undefined }) {
  const part = share(spent, cap);
  if (part === null) return <>{decimal(spent)}</>;
  const color = part >= 1 ? 'error.main' : part >= 0.8 ? 'warning.main' : undefined;
  return <Box component="span" sx={{ color }}>{decimal(spent)} of {decimal(cap ?? '0')}</Box>;
}

function Row({ row }: { row: Schemas['Spent'] }) {
  const { account } = row;
  return (
    <TableRow hover>
      <TableCell sx={{ fontWeight: 560 }}><Link href={`/carriers/${account.carrier.id}`}>{account.code}</Link></TableCell>
      <TableCell>{account.carrier.code}</TableCell>
      <TableCell>{account.kind}{account.netted && ', netted'}</TableCell>
      <TableCell align="right" sx={{ fontWeight: 600, color: signOf(account.balance) < 0 ? 'error.main' : undefined }}>{decimal(account.balance)}</TableCell>
      <TableCell align="right">{decimal(account.available)}</TableCell>
      <TableCell align="right">{decimal(account.held)}</TableCell>
      <TableCell align="right">{decimal(account.settled)}</TableCell>
      <TableCell align="right">{account.credit_limit == null ? NONE : decimal(account.credit_limit)}</TableCell>
      <TableCell align="right"><Cap spent={account.owed} cap={account.owed_limit} /></TableCell>
      <TableCell align="right">{row.may_owe == null ? NONE : decimal(row.may_owe)}</TableCell>
      <TableCell align="right"><Cap spent={row.spent_today} cap={account.day_cap} /></TableCell>
      <TableCell align="right"><Cap spent={row.spent_this_month} cap={account.month_cap} /></TableCell>
      <TableCell align="right">{lasting(row.runway_s)}</TableCell>
      <TableCell>{account.currency}</TableCell>
    </TableRow>
  );
}

/** Every try to tell somebody of a notice, and a button that tells it again. */
function Tries({ id }: { id: string }) {
  const queries = useQueryClient();
  const tries = useQuery({ queryKey: ['notices', id, 'tries'], queryFn: () => body(api.GET('/api/v1/notices/{id}/tries', { params: { path: { id } } })), refetchInterval: 5_000 });
  const again = useMutation({
    mutationFn: () => body(api.POST('/api/v1/notices/{id}/replay', { params: { path: { id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['notices'] }),
  });
  return (
    <Box sx={{ py: 1 }}>
      <Trouble error={tries.error ?? again.error} />
      {tries.data?.data.length === 0 && <Box>Nobody was told yet.</Box>}
      {tries.data?.data.map((tried) => (
        <Box key={tried.number} sx={{ color: tried.problem ? 'error.main' : undefined }}>
          {tried.number}. {tried.way === 'mail' ? 'mail' : 'POST'}, <When at={tried.at} />, {tried.took_ms} ms: {tried.problem || 'taken'}
        </Box>
      ))}
      <May to="write"><Button size="small" disabled={again.isPending} onClick={() => again.mutate()}>Tell again</Button></May>
    </Box>
  );
}

function Notices() {
  const [open, setOpen] = useState<string | null>(null);
  const [draw, setDraw] = useState(false);
  const notices = useQuery({ queryKey: ['notices'], queryFn: () => body(api.GET('/api/v1/notices', { params: { query: { limit: 100 } } })), refetchInterval: 5_000 });
  const rows = notices.data?.data ?? [];
  return (
    <Panel title="Notices" note="the latest 100" flush tools={<May to="write"><Button onClick={() => setDraw(true)}>Signing secret</Button></May>}>
      {draw && <Secret onClose={() => setDraw(false)} />}
      <Trouble error={notices.error} />
      {notices.data && rows.length === 0 && <Empty title="Nobody had to be told">Give an account a threshold or a cap, and it is told here, by mail and by POST when its balance crosses it.</Empty>}
      {rows.length > 0 && (
        <Table size="small" sx={TABLE}>
          <TableHead><TableRow><TableCell>When</TableCell><TableCell>Account</TableCell><TableCell>What</TableCell><TableCell align="right">Value</TableCell><TableCell align="right">Threshold</TableCell><TableCell>State</TableCell><TableCell>Telling</TableCell></TableRow></TableHead>
          <TableBody>
            {rows.map((notice) => (
              <Fragment key={notice.id}>
              <TableRow hover onClick={() => setOpen(open === notice.id ? null : notice.id)} sx={{ cursor: 'pointer' }} title="Every try to tell it">
                <TableCell><Button size="small" aria-expanded={open === notice.id} aria-label="Every try to tell it" sx={{ minWidth: 0, mr: 0.5 }}>{open === notice.id ? '▾' : '▸'}</Button><When at={notice.raised_at} /></TableCell>
                <TableCell>{notice.account.code}</TableCell>
                <TableCell>{WORDS[notice.kind] ?? notice.kind}</TableCell>
                <TableCell align="right">{decimal(notice.value)}</TableCell>
                <TableCell align="right">{decimal(notice.threshold)}</TableCell>
                <TableCell>{notice.cleared_at ? <>over since <When at={notice.cleared_at} /></> : <State tone="warning">stands</State>}</TableCell>
                <TableCell sx={{ color: notice.problem ? 'error.main' : undefined }}>{notice.problem || (notice.pending ? 'under way' : 'done')}</TableCell>
              </TableRow>
              {open === notice.id && <TableRow><TableCell colSpan={7}><Tries id={notice.id} /></TableCell></TableRow>}
              </Fragment>
            ))}
          </TableBody>
        </Table>
      )}
    </Panel>
  );
}

/** Accounts that are drawn at most: a table of thousands would stand still. */
const ROWS_MAX = 200;

/** The screen. */
export default function Balances() {
  const [query] = useFilters();
  const balances = useQuery({ queryKey: ['balances'], queryFn: () => whole((query) => body(api.GET('/api/v1/balances', { params: { query } }))), refetchInterval: ({ state }) => 5_000 * Math.ceil(((state.data?.length ?? 0) + 1) / 1000) });
  if (balances.error) return <Trouble error={balances.error} retry={() => void balances.refetch()} />;
  if (!balances.data) return <Waiting />;
  const all = balances.data;
  const q = (query.get('q') ?? '').toLowerCase();
  const fitting = all.filter(({ account }) => `${account.code} ${account.carrier.code}`.toLowerCase().includes(q));
  const rows = fitting.slice(0, ROWS_MAX);
  return (
    <>
      <Head title="Balances" note="payments less charges; payments are booked on the carrier’s page" />
      <Box sx={{ mb: 1.5 }}><TextFilter name="q" label="Account, carrier" width={200} /></Box>
      <Box sx={{ display: 'grid', gap: 1.5 }}>
        <Panel title="Accounts" note={rows.length < fitting.length && `the first ${ROWS_MAX} of ${count(fitting.length)}`} flush>
          {rows.length === 0 && (all.length === 0
            ? <Empty title="No account">An account belongs to a carrier: make the carrier first, then its account.</Empty>
            : <Empty title="No account fits">Neither an account’s code nor its carrier’s contains “{q}”.</Empty>)}
          {rows.length > 0 && (
            <Box sx={{ overflowX: 'auto' }}>
              <Table size="small" sx={TABLE}>
                <TableHead>
                  <TableRow>
                    <TableCell>Account</TableCell><TableCell>Carrier</TableCell><TableCell>Kind</TableCell>
                    <TableCell align="right" title="Payments less charges">Balance</TableCell>
                    <TableCell align="right" title="What new calls may still use, credit limit included">Available</TableCell>
                    <TableCell align="right" title="Lent to nodes for running calls">Held</TableCell>
                    <TableCell align="right" title="Charged for ended calls">Settled</TableCell>
                    <TableCell align="right" title="How far the balance may fall below zero">Credit</TableCell>
                    <TableCell align="right" title="What we owe the carrier for calls that it took, less what we paid, and the limit">Owed</TableCell>
                    <TableCell align="right" title="What calls to the carrier may still cost; less while nodes hold some of it for running calls">May be owed</TableCell>
                    <TableCell align="right" title="What calls cost since midnight of the account’s zone, and the cap">Today</TableCell>
                    <TableCell align="right" title="What calls cost this month, and the cap">This month</TableCell>
                    <TableCell align="right" title="How long what is available lasts at the pace of yesterday and today">Runway</TableCell>
                    <TableCell>Currency</TableCell>
                  </TableRow>
                </TableHead>
                <TableBody>{rows.map((row) => <Row key={row.account.id} row={row} />)}</TableBody>
              </Table>
            </Box>
          )}
        </Panel>
        <Invoices />
        <Reratings />
        <Notices />
      </Box>
    </>
  );
}
