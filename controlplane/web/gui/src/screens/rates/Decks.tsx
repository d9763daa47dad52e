/** Rate decks. */
import { useState } from 'react';
import { Box, Button } from '@mui/material';
import Add from '@mui/icons-material/AddOutlined';
import { useLocation } from 'wouter';
import { api, body, type Schemas } from '../../api/http';
import { useDecks, useEgressTrunks, useIngressTrunks, type Deck } from '../../api/objects';
import { NewDialog } from '../../common/Change';
import { When } from '../../common/Fact';
import { TextFilter } from '../../common/Filters';
import { count, NONE, zoneName } from '../../common/format';
import { figures, Grid, type Column } from '../../common/Grid';
import { Empty, Head, Panel, Trouble } from '../../common/Panel';
import { useZone } from '../../common/place';
import { useFilters } from '../../common/url';
import { Exchange } from './Exchange';
import { deckBody } from './calendar';
import { DECK_FIELDS, ROUNDINGS } from './fields';
import { May } from '../../common/May';

interface Row extends Deck {
  sells: string;
  buys: string;
}

function columns(zone: string): Column<Row>[] {
  return [
    { field: 'code', headerName: 'Deck', flex: 1.2, minWidth: 130 },
    { field: 'sells', headerName: 'Sells to (ingress trunks)', flex: 1.5, minWidth: 140 },
    { field: 'buys', headerName: 'Buys from (egress trunks)', flex: 1.5, minWidth: 140 },
    { field: 'rates', headerName: 'Rates', width: 84, ...figures, valueFormatter: (value: number) => count(value) },
    { field: 'currency', headerName: 'Currency', width: 84 },
    { field: 'decimals', headerName: 'Decimals', width: 84, ...figures },
    { field: 'rounding', headerName: 'Seconds', width: 110, narrow: false, valueGetter: (_, row) => ROUNDINGS.find((rounding) => rounding.value === row.rounding)?.text },
    { field: 'updated_at', headerName: `Changed (${zone})`, width: 150, narrow: false, renderCell: ({ row }) => <When at={row.updated_at} part="minute" /> },
  ];
}

/** The screen. */
export default function Decks() {
  const [query] = useFilters();
  const [, go] = useLocation();
  const zone = useZone();
  const [decks, ingress, egress] = [useDecks(), useIngressTrunks(), useEgressTrunks()];
  const [making, setMaking] = useState(false);
  const q = (query.get('q') ?? '').toLowerCase();
  const codes = (rows: { code: string }[] | undefined) => rows?.map((row) => row.code).join(', ') || NONE;
  const rows = (decks.data ?? []).filter((deck) => deck.code.toLowerCase().includes(q) || deck.id === q).map((deck) => ({
    ...deck,
    sells: codes(ingress.data?.filter((trunk) => [trunk.sell_deck.id, ...Object.values(trunk.ways).map((way) => way.sell_deck)].includes(deck.id))),
    buys: codes(egress.data?.filter((trunk) => trunk.buy_deck.id === deck.id)),
  }));
  return (
    <>
      <Head title="Rate decks"><May to="write"><Button variant="contained" startIcon={<Add />} onClick={() => setMaking(true)}>New deck</Button></May></Head>
      <Box sx={{ mb: 1.5 }}><TextFilter name="q" label="Code" width={200} /></Box>
      <Trouble error={decks.error} retry={() => void decks.refetch()} />
      <Panel flush>
        <Grid name="decks" rows={rows} columns={columns(zoneName(zone))} loading={decks.isPending && !decks.error} onOpen={(row) => go(`/rates/${row.id}`)}
          empty={<Empty title={q ? 'No deck fits' : 'No rate deck yet'}>A deck is a price list: of one carrier, in one currency, for selling or for buying. Make one and import a CSV file into it.</Empty>} />
      </Panel>
      <Exchange />
      {making && (
        <NewDialog title="New rate deck" fields={[...DECK_FIELDS, { name: 'currency', label: 'Currency', kind: 'text', help: 'Can never be changed' }]} start={{ currency: 'USD', decimals: 6, rounding: 'ceil', tax_percent: '0', zone: 'UTC' }} onClose={() => setMaking(false)}
          send={(values) => body(api.POST('/api/v1/decks', { body: deckBody(values) as Schemas['DeckNew'] }))} />
      )}
    </>
  );
}
