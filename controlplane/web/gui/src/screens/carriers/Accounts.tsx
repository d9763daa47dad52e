/** A carrier's accounts and what came in and went out. */
import { useState } from 'react';
import { Box, Button, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import Add from '@mui/icons-material/AddOutlined';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { api, body, tagged, type Schemas } from '../../api/http';
import { useAccounts, type Account, type Carrier } from '../../api/objects';
import { ChangeDialog, NewDialog } from '../../common/Change';
import { When } from '../../common/Fact';
import { decimal, signOf } from '../../common/format';
import { Empty, Panel, Trouble } from '../../common/Panel';
import { ACCOUNT_FIELDS, PAYMENT_FIELDS, accountBody, accountStart } from './fields';
import { May } from '../../common/May';

type Doing = { what: 'new' } | { what: 'change' | 'pay' | 'entries'; account: Account } | null;

/** Entries that an operator booked carry the reference that was given. */
const BOOKED = ['payment', 'correction', 'payout'];

function reference(entry: Schemas['Entry']) {
  const lost = entry.written_off;
  if (lost?.call) return <Link href={`/cdrs/${lost.call}`}>call on node {lost.node}</Link>;
  if (lost) return `node ${lost.node}`;
  return BOOKED.includes(entry.kind) && entry.id.slice(entry.id.indexOf(':') + 1);
}

function Entries({ account }: { account: Account }) {
  const entries = useQuery({
    queryKey: ['entries', account.id],
    queryFn: () => body(api.GET('/api/v1/accounts/{id}/entries', { params: { path: { id: account.id }, query: { limit: 50 } } })),
  });
  const rows = entries.data?.data ?? [];
  return (
    <Box sx={{ borderTop: 1, borderColor: 'divider', bgcolor: 'background.default', maxHeight: 320, overflow: 'auto' }}>
      {entries.error && <Box sx={{ p: 1.5 }}><Trouble error={entries.error} /></Box>}
      {entries.data && rows.length === 0 && <Empty title="No entries">Payments and charges will be listed here.</Empty>}
      <Table size="small">
        {rows.length > 0 && <TableHead><TableRow><TableCell>When</TableCell><TableCell>What</TableCell><TableCell align="right">Amount</TableCell><TableCell align="right" title="Payments less charges, after this entry">Balance</TableCell><TableCell align="right" title="Talk that a crash kept from the bill, at most, or what a lost node held: it moves no money of the balance">Written off</TableCell><TableCell>Reference</TableCell><TableCell>Note <Button size="small" href={`/api/v1/accounts/${account.id}/entries:export`} download>CSV</Button></TableCell></TableRow></TableHead>}
        <TableBody>
          {rows.map((entry) => (
            <TableRow key={entry.id}>
              <TableCell><When at={entry.at} /></TableCell>
              <TableCell>{entry.kind}</TableCell>
              <TableCell align="right" sx={{ color: signOf(entry.amount) < 0 ? 'error.main' : undefined }}>{decimal(entry.amount)}</TableCell>
              <TableCell align="right">{decimal(entry.balance)}</TableCell>
              <TableCell align="right">{entry.written_off && decimal(entry.written_off.amount)}</TableCell>
              <TableCell>{reference(entry)}</TableCell>
              <TableCell>{entry.note}</TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </Box>
  );
}

/** The panel. */
export function Accounts({ carrier }: { carrier: Carrier }) {
  const accounts = useAccounts();
  const [doing, setDoing] = useState<Doing>(null);
  const rows = (accounts.data ?? []).filter((account) => account.carrier.id === carrier.id);
  const close = () => setDoing(null);
  const [open, setOpen] = useState<string | null>(null);
  const opened = rows.find((row) => row.id === open);
  return (
    <Panel title="Accounts" flush tools={<May to="write"><Button startIcon={<Add />} onClick={() => setDoing({ what: 'new' })}>New account</Button></May>}>
      <Trouble error={accounts.error} />
      {accounts.data && rows.length === 0 && <Empty title="No account">A trunk needs an account: it pays for calls in, or is credited for calls out.</Empty>}
      {rows.length > 0 && (
        <Table size="small" sx={{ '& td, & th': { whiteSpace: 'nowrap' }, '& tr:last-child td': { borderBottom: 0 } }}>
          <TableHead><TableRow><TableCell>Account</TableCell><TableCell>Kind</TableCell><TableCell align="right" title="Payments less charges">Balance</TableCell><TableCell align="right" title="How far the balance may fall below zero">Credit limit</TableCell><TableCell align="right" title="Lent to nodes for running calls">Held</TableCell><TableCell align="right" title="What new calls may still use, credit limit included">Available</TableCell><TableCell>Currency</TableCell><TableCell component="td" /></TableRow></TableHead>
          <TableBody>
            {rows.map((account) => (
              <TableRow key={account.id} hover>
                <TableCell>{account.code}</TableCell>
                <TableCell>{account.kind}</TableCell>
                <TableCell align="right" sx={{ fontWeight: 600, color: signOf(account.balance) < 0 ? 'error.main' : undefined }}>{decimal(account.balance)}</TableCell>
                <TableCell align="right">{account.credit_limit == null ? (account.kind === 'postpaid' ? 'no limit' : 'none') : decimal(account.credit_limit)}</TableCell>
                <TableCell align="right">{decimal(account.held)}</TableCell>
                <TableCell align="right">{decimal(account.available)}</TableCell>
                <TableCell>{account.currency}</TableCell>
                <TableCell align="right" sx={{ py: '0 !important' }}>
                  <Button onClick={() => setOpen(open === account.id ? null : account.id)}>Entries</Button>
                  <May to="money:write"><Button onClick={() => setDoing({ what: 'pay', account })}>Payment</Button></May>
                  <May to="write"><Button onClick={() => setDoing({ what: 'change', account })}>Edit</Button></May>
                </TableCell>
              </TableRow>
            ))}
          </TableBody>
        </Table>
      )}
      {opened && <Entries account={opened} />}
      {doing?.what === 'new' && (
        <NewDialog title={`New account of ${carrier.code}`} onClose={close} start={{ code: carrier.code, kind: 'prepaid', credit_limit: null, currency: 'USD' }}
          fields={[...ACCOUNT_FIELDS, { name: 'currency', label: 'Currency', kind: 'text', help: 'Can never be changed' }]}
          send={(values) => body(api.POST('/api/v1/accounts', { body: { ...accountBody(values), carrier: carrier.id } as unknown as Schemas['AccountNew'] }))} />
      )}
      {doing?.what === 'change' && (
        <ChangeDialog name={doing.account.id} title={`Edit ${doing.account.code}`} fields={ACCOUNT_FIELDS} onClose={close}
          read={() => tagged(api.GET('/api/v1/accounts/{id}', { params: { path: { id: doing.account.id } } }))}
          start={accountStart}
          send={(values, etag) => body(api.PATCH('/api/v1/accounts/{id}', { params: { path: { id: doing.account.id }, header: { 'if-match': etag } }, body: accountBody(values) as Schemas['AccountPatch'] }))} />
      )}
      {doing?.what === 'pay' && (
        <NewDialog verb="Book" title={`Payment to ${doing.account.code} (${doing.account.currency})`} fields={PAYMENT_FIELDS} start={{ kind: 'payment' }} onClose={close}
          send={(values) => body(api.POST('/api/v1/accounts/{id}/payments', { params: { path: { id: doing.account.id } }, body: { ...values, note: values['note'] ?? '' } as unknown as Schemas['PaymentNew'] }))} />
      )}
    </Panel>
  );
}
