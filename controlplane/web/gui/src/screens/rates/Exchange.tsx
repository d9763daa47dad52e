/** Exchange rates: what currencies are worth in the base currency. */
import { useState } from 'react';
import { Button, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { NewDialog } from '../../common/Change';
import { Confirm } from '../../common/Form';
import { When } from '../../common/Fact';
import type { Field } from '../../common/Form';
import { Panel, Trouble } from '../../common/Panel';
import { May } from '../../common/May';

const FIELDS: Field[] = [
  { name: 'currency', label: 'Currency', kind: 'text', help: 'Three capital letters' },
  { name: 'value', label: 'Value of one unit', kind: 'text', help: 'In the base currency, up to nine decimals' },
  { name: 'effective_from', label: 'From', kind: 'text', optional: true, help: 'As 2026-01-31T00:00:00Z; empty for now' },
];
const BASE_FIELDS: Field[] = [{ name: 'currency', label: 'Base currency', kind: 'text', help: 'Can change as long as there are no exchange rates' }];

/** The panel on the page of decks. */
export function Exchange() {
  const queries = useQueryClient();
  const rates = useQuery({ queryKey: ['exchange-rates'], queryFn: () => body(api.GET('/api/v1/exchange-rates')) });
  const [doing, setDoing] = useState<'rate' | 'base' | null>(null);
  const [gone, setGone] = useState<Schemas['ExchangeRate'] | null>(null);
  const base = rates.data?.base_currency ?? '';
  const remove = async (id: string) => {
    await body(api.DELETE('/api/v1/exchange-rates/{id}', { params: { path: { id } } }));
    await queries.invalidateQueries({ queryKey: ['exchange-rates'] });
  };
  return (
    <Panel title="Exchange rates" note={`values in ${base}; they join decks and accounts of different currencies, and each call keeps the one that it was quoted with`} sx={{ mt: 2 }}
      tools={<><May to="rates:write"><Button onClick={() => setDoing('base')}>Base currency</Button></May><May to="rates:write"><Button variant="outlined" onClick={() => setDoing('rate')}>New exchange rate</Button></May></>}>
      <Trouble error={rates.error} retry={() => void rates.refetch()} />
      <Table size="small" data-exchange-rates>
        <TableHead><TableRow><TableCell>Currency</TableCell><TableCell align="right">Worth in {base}</TableCell><TableCell>From</TableCell><TableCell component="td" /></TableRow></TableHead>
        <TableBody>
          {rates.data?.data.map((rate) => (
            <TableRow key={rate.id}>
              <TableCell><b>{rate.currency}</b></TableCell><TableCell align="right">{rate.value}</TableCell><TableCell><When at={rate.effective_from} part="minute" /></TableCell>
              <TableCell align="right"><May to="rates:write"><Button onClick={() => setGone(rate)}>Remove</Button></May></TableCell>
            </TableRow>
          ))}
          {rates.data?.data.length === 0 && <TableRow><TableCell colSpan={4}>None: every account and its decks count in one currency.</TableCell></TableRow>}
        </TableBody>
      </Table>
      {gone && (
        <Confirm title={`Remove what ${gone.currency} is worth?`} verb="Remove" onClose={() => setGone(null)} onSend={() => remove(gone.id)}>
          {gone.value} {base} from <When at={gone.effective_from} part="minute" />. New calls are priced by the one before it from the next snapshot on, within a second; calls that need one and have none are refused.
        </Confirm>
      )}
      {doing === 'rate' && <NewDialog title="New exchange rate" verb="Save" fields={FIELDS} start={{}} onClose={() => setDoing(null)} send={(values) => body(api.PUT('/api/v1/exchange-rates', { body: values as unknown as Schemas['ExchangeRatePut'] }))} />}
      {doing === 'base' && <NewDialog title="Base currency" verb="Save" fields={BASE_FIELDS} start={{ currency: base }} onClose={() => setDoing(null)} send={(values) => body(api.PUT('/api/v1/base-currency', { body: values as unknown as Schemas['BaseCurrency'] }))} />}
    </Panel>
  );
}
