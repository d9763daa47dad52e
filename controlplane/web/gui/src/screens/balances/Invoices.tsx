/** What carriers were told that their calls cost: made here for a month that is over, and taken home as a page, a PDF or CSV. */
import { useState } from 'react';
import { Button, Dialog, DialogActions, DialogContent, DialogTitle, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import Add from '@mui/icons-material/AddOutlined';
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { useAccounts, type Account } from '../../api/objects';
import { State, When } from '../../common/Fact';
import { Confirm, FormDialog, type Field, type Values } from '../../common/Form';
import { count, decimal } from '../../common/format';
import { May } from '../../common/May';
import { OneOf } from '../../common/OneOf';
import { Empty, Panel, Trouble } from '../../common/Panel';

type Invoice = Schemas['Invoice'];

/** The month before a moment's, as the API names it. */
export function monthBefore(now: Date): string {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1)).toISOString().slice(0, 7);
}

/** What the form sends. */
export function invoiceBody(values: Values): Schemas['InvoiceNew'] {
  const text = (name: string) => (typeof values[name] === 'string' && values[name] !== '' ? String(values[name]) : null);
  return { account: String(values['account'] ?? ''), month: text('month'), from: null, till: null, zone: text('zone'), addressed_to: text('addressed_to'), note: text('note') };
}

const accountChoices = (accounts: Account[]) => accounts.map(({ id, code, carrier }) => ({ value: id, text: `${code} (${carrier.code})` }));

function fields(accounts: Account[]): Field[] {
  return [
    { name: 'account', label: 'Account', kind: 'choice', choices: accountChoices(accounts) },
    { name: 'month', label: 'Month', kind: 'text', help: 'such as 2026-10; it must be over' },
    { name: 'zone', label: 'Time zone', kind: 'text', optional: true, help: 'in which the month begins, such as Europe/Paris; empty for the account’s own' },
    { name: 'note', label: 'Note', kind: 'text', optional: true, help: 'such as when it is to be paid' },
    { name: 'addressed_to', label: 'For', kind: 'long', optional: true, help: 'name and address, a line each; empty for the carrier’s name' },
  ];
}

const ISSUER: Field[] = [{ name: 'text', label: 'Who issues invoices', kind: 'long', optional: true, help: 'name, address, tax number, bank, a line each; invoices that were made keep what stood then' }];

/** What stands in the form of fees. */
const FEES: Field[] = [
  { name: 'monthly_fee', label: 'Monthly fee', kind: 'text', help: 'before tax; 0 for none' },
  { name: 'monthly_minimum', label: 'Minimum of a month’s calls', kind: 'text', help: 'before tax; what they lack of it is charged; 0 for none' },
  { name: 'fee_text', label: 'The fee’s name', kind: 'text', optional: true, help: 'on invoices' },
  { name: 'tax_percent', label: 'Tax, per cent', kind: 'text' },
];

/** The fees of one account; they are booked when the invoice of a month is made. */
function FeesOf({ account, onClose }: { account: Account; onClose: () => void }) {
  const path = { path: { id: account.id } };
  const fees = useQuery({ queryKey: ['change', 'fees', account.id], queryFn: () => body(api.GET('/api/v1/accounts/{id}/fees', { params: path })), gcTime: 0 });
  if (!fees.data) return <Trouble error={fees.error} />;
  const text = (values: Values, name: string) => String(values[name] ?? '');
  return (
    <FormDialog title={`Fees of ${account.code}, ${account.currency}`} verb="Save" fields={FEES} start={{ ...fees.data, fee_text: fees.data.fee_text ?? null }} onClose={onClose}
      onSend={(values) => body(api.PUT('/api/v1/accounts/{id}/fees', { params: path, body: { monthly_fee: text(values, 'monthly_fee'), monthly_minimum: text(values, 'monthly_minimum'), tax_percent: text(values, 'tax_percent'), fee_text: text(values, 'fee_text') || null } }))} />
  );
}

/** Asks first whose fees. */
function FeesForm({ onClose }: { onClose: () => void }) {
  const accounts = useAccounts();
  const [chosen, setChosen] = useState<Account | null>(null);
  if (!accounts.data) return <Trouble error={accounts.error} />;
  if (chosen) return <FeesOf account={chosen} onClose={onClose} />;
  return (
    <Dialog open onClose={onClose} maxWidth="xs" fullWidth>
      <DialogTitle variant="h1">Fees of a month</DialogTitle>
      <DialogContent>
        <OneOf label="Account" name="account" fullWidth sx={{ mt: 1 }} value="" choices={accountChoices(accounts.data)} onPick={(id) => setChosen(accounts.data.find((account) => account.id === id) ?? null)} />
      </DialogContent>
      <DialogActions sx={{ px: 3, pb: 2 }}><Button onClick={onClose}>Cancel</Button></DialogActions>
    </Dialog>
  );
}

const FORMS = [['html', 'Page'], ['pdf', 'PDF'], ['csv', 'CSV']] as const;

function Row({ row, onVoid }: { row: Invoice; onVoid: () => void }) {
  const number = row.id.replace('inv_', '');
  return (
    <TableRow hover>
      <TableCell>{number}</TableCell>
      <TableCell>{row.account.code}</TableCell>
      <TableCell sx={{ maxWidth: 260, overflow: 'hidden', textOverflow: 'ellipsis' }} dir="auto" title={row.addressed_to}>{row.addressed_to.split('\n')[0]}</TableCell>
      <TableCell><When at={row.from} /> – <When at={row.till} /></TableCell>
      <TableCell align="right">{count(row.calls)}</TableCell>
      <TableCell align="right">{decimal(row.net)}</TableCell>
      <TableCell align="right">{decimal(row.tax)}</TableCell>
      <TableCell align="right" sx={{ fontWeight: 600 }}>{decimal(row.total)} {row.currency}</TableCell>
      <TableCell>{row.voided_at ? <State tone="default">void</State> : <State tone="success">counts</State>}</TableCell>
      <TableCell align="right" sx={{ py: '0 !important' }}>
        {FORMS.map(([form, name]) => <Button key={form} aria-label={`Invoice ${number} as ${name}`} href={`/api/v1/invoices/${row.id}/file?format=${form}`} download={`invoice-${number}.${form}`}>{name}</Button>)}
        {!row.voided_at && <May to="money:write"><Button color="error" aria-label={`Declare invoice ${number} void`} onClick={onVoid}>Void</Button></May>}
      </TableCell>
    </TableRow>
  );
}

/** The form; it waits for the accounts that it chooses from. */
function New({ onClose, onMade }: { onClose: () => void; onMade: () => Promise<unknown> }) {
  const accounts = useAccounts();
  if (!accounts.data) return <Trouble error={accounts.error} />;
  return (
    <FormDialog title="New invoice" verb="Make" fields={fields(accounts.data)} start={{ account: accounts.data[0]?.id ?? '', month: monthBefore(new Date()) }} onClose={onClose}
      onSend={async (values) => {
        await body(api.POST('/api/v1/invoices', { body: invoiceBody(values) }));
        await onMade();
      }} />
  );
}

/** The panel. */
export function Invoices() {
  const queries = useQueryClient();
  const [doing, setDoing] = useState<'new' | 'issuer' | 'fees' | Invoice | null>(null);
  const invoices = useInfiniteQuery({
    queryKey: ['invoices'],
    queryFn: ({ pageParam }) => body(api.GET('/api/v1/invoices', { params: { query: { limit: 50, cursor: pageParam } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
  const issuer = useQuery({ queryKey: ['invoice-issuer'], queryFn: () => body(api.GET('/api/v1/invoice-issuer')), enabled: doing === 'issuer' });
  const rows = invoices.data?.pages.flatMap((part) => part.data) ?? [];
  const again = () => queries.invalidateQueries({ queryKey: ['invoices'] });
  const tools = <May to="money:write"><Button onClick={() => setDoing('fees')}>Fees</Button><Button onClick={() => setDoing('issuer')}>Who issues them</Button><Button startIcon={<Add />} onClick={() => setDoing('new')}>New invoice</Button></May>;
  return (
    <Panel title="Invoices" flush tools={tools}>
      <Trouble error={invoices.error ?? issuer.error} />
      {invoices.data && rows.length === 0 && <Empty title="No invoice yet">An invoice adds up what an account’s calls of a month cost, by destination and price. Each call is invoiced once.</Empty>}
      {rows.length > 0 && (
        <Table size="small" sx={{ '& td, & th': { whiteSpace: 'nowrap' }, '& tr:last-child td': { borderBottom: 0 } }}>
          <TableHead><TableRow><TableCell>Number</TableCell><TableCell>Account</TableCell><TableCell>For</TableCell><TableCell>Calls that began</TableCell><TableCell align="right">Calls</TableCell><TableCell align="right">Net</TableCell><TableCell align="right">Tax</TableCell><TableCell align="right">Total</TableCell><TableCell>State</TableCell><TableCell component="td" aria-label="Files" /></TableRow></TableHead>
          <TableBody>{rows.map((row) => <Row key={row.id} row={row} onVoid={() => setDoing(row)} />)}</TableBody>
        </Table>
      )}
      {invoices.hasNextPage && <Button onClick={() => void invoices.fetchNextPage()}>More</Button>}
      {doing === 'new' && <New onClose={() => setDoing(null)} onMade={again} />}
      {doing === 'fees' && <FeesForm onClose={() => setDoing(null)} />}
      {doing === 'issuer' && issuer.data && (
        <FormDialog title="Who issues invoices" verb="Save" fields={ISSUER} start={{ text: issuer.data.text }} onClose={() => setDoing(null)}
          onSend={async (values) => {
            await body(api.PUT('/api/v1/invoice-issuer', { body: { text: String(values['text'] ?? '') } }));
            await queries.invalidateQueries({ queryKey: ['invoice-issuer'] });
          }} />
      )}
      {doing !== null && typeof doing === 'object' && (
        <Confirm title={`Declare invoice ${doing.id.replace('inv_', '')} void?`} verb="Void" onClose={() => setDoing(null)}
          onSend={async () => {
            await body(api.POST('/api/v1/invoices/{id}/void', { params: { path: { id: doing.id } } }));
            await again();
          }}>
          It stays in the list, and its calls may be invoiced again. Only the newest invoice of an account can be declared void.
        </Confirm>
      )}
    </Panel>
  );
}
