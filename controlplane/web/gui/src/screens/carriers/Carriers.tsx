/** All carriers, each with what it has: accounts and trunks. */
import { useMemo, useState } from 'react';
import { Box, Button } from '@mui/material';
import Add from '@mui/icons-material/AddOutlined';
import { useLocation } from 'wouter';
import { api, body, type Schemas } from '../../api/http';
import { useAccounts, useCarriers, useEgressTrunks, useIngressTrunks, type Account, type Carrier, type EgressTrunk, type IngressTrunk } from '../../api/objects';
import { NewDialog } from '../../common/Change';
import { State } from '../../common/Fact';
import { TextFilter } from '../../common/Filters';
import { decimal, NONE } from '../../common/format';
import { figures, Grid, type Column } from '../../common/Grid';
import { Empty, Head, Panel, Trouble } from '../../common/Panel';
import { useFilters } from '../../common/url';
import { CARRIER_FIELDS } from './fields';
import { May } from '../../common/May';

interface Row extends Carrier {
  ingress: string[];
  egress: string[];
  balances: string[];
  /** All that the search looks at. */
  text: string;
}

const COLUMNS: Column<Row>[] = [
  { field: 'code', headerName: 'Carrier', flex: 1, minWidth: 110 },
  { field: 'name', headerName: 'Name', flex: 1.6, minWidth: 150, narrow: false },
  { field: 'blocked', headerName: 'State', width: 84, renderCell: ({ row }) => <State tone={row.blocked ? 'error' : 'success'}>{row.blocked ? 'blocked' : 'open'}</State> },
  { field: 'ingress', headerName: 'Ingress trunks', flex: 1.2, minWidth: 120, sortable: false, valueGetter: (_, row) => row.ingress.join(', ') || NONE },
  { field: 'egress', headerName: 'Egress trunks', flex: 1.2, minWidth: 120, sortable: false, valueGetter: (_, row) => row.egress.join(', ') || NONE },
  { field: 'balances', headerName: 'Balance', minWidth: 130, flex: 1, ...figures, valueGetter: (_, row) => row.balances.join(' · ') || NONE },
];

function rowOf(carrier: Carrier, accounts: Account[], ingress: IngressTrunk[], egress: EgressTrunk[]): Row {
  const words = [carrier.id, carrier.code, carrier.name, ...accounts.flatMap((a) => [a.id, a.code]), ...ingress.flatMap((t) => [t.id, t.code, ...t.sources.map((s) => s.network)]), ...egress.flatMap((t) => [t.id, t.code, t.address])];
  return {
    ...carrier,
    ingress: ingress.map((trunk) => trunk.code),
    egress: egress.map((trunk) => trunk.code),
    balances: accounts.map((account) => `${decimal(account.balance)} ${account.currency}`),
    text: words.join(' ').toLowerCase(),
  };
}

/** Rows by their carrier: with thousands of both, nobody looks through all of them for each. */
function byCarrier<T extends { carrier: { id: string } }>(rows: T[] | undefined): (carrier: string) => T[] {
  const found = new Map<string, T[]>();
  for (const row of rows ?? []) {
    const same = found.get(row.carrier.id);
    if (same) same.push(row);
    else found.set(row.carrier.id, [row]);
  }
  return (carrier) => found.get(carrier) ?? [];
}

function useRows(): { rows: Row[]; error: unknown; waiting: boolean } {
  const [carriers, accounts, ingress, egress] = [useCarriers(), useAccounts(), useIngressTrunks(), useEgressTrunks()];
  const rows = useMemo(() => {
    const [accountsOf, ingressOf, egressOf] = [byCarrier(accounts.data), byCarrier(ingress.data), byCarrier(egress.data)];
    return (carriers.data ?? []).map((carrier) => rowOf(carrier, accountsOf(carrier.id), ingressOf(carrier.id), egressOf(carrier.id)));
  }, [carriers.data, accounts.data, ingress.data, egress.data]);
  return { rows, error: carriers.error ?? accounts.error ?? ingress.error ?? egress.error, waiting: carriers.isPending };
}

/** The screen. */
export default function Carriers() {
  const [query] = useFilters();
  const [, go] = useLocation();
  const [making, setMaking] = useState(false);
  const { rows, error, waiting } = useRows();
  const q = (query.get('q') ?? '').toLowerCase();
  const shown = rows.filter((row) => row.text.includes(q));
  return (
    <>
      <Head title="Carriers"><May to="write"><Button variant="contained" startIcon={<Add />} onClick={() => setMaking(true)}>New carrier</Button></May></Head>
      <Box sx={{ mb: 1.5 }}><TextFilter name="q" label="Code, name, trunk, address" width={220} /></Box>
      <Trouble error={error} />
      <Panel flush>
        <Grid name="carriers" rows={shown} columns={COLUMNS} loading={waiting && !error} onOpen={(row) => go(`/carriers/${row.id}`)}
          empty={q ? <Empty title="No carrier fits">Neither code, name, trunk nor address contains “{q}”.</Empty> : <Empty title="No carrier yet">A carrier is a company that sends you calls, takes them, or both. Create one here, or apply a file with <code>tandem apply</code>.</Empty>} />
      </Panel>
      {making && <NewDialog title="New carrier" side="carrier" fields={CARRIER_FIELDS} start={{ blocked: false }} onClose={() => setMaking(false)} send={(values) => body(api.POST('/api/v1/carriers', { body: values as unknown as Schemas['CarrierNew'] }))} />}
    </>
  );
}
