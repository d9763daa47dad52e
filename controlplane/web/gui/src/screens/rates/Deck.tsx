/** One deck: its rates by pages, one rate to edit, a file to import. */
import { lazy, Suspense, useMemo, useState } from 'react';
import { Box, Button, Typography } from '@mui/material';
import Upload from '@mui/icons-material/UploadFileOutlined';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { api, body, tagged, type Schemas } from '../../api/http';
import { ChangeDialog } from '../../common/Change';
import { State, When } from '../../common/Fact';
import { TextFilter } from '../../common/Filters';
import { count, decimal, zoneName } from '../../common/format';
import { figures, Grid, PAGE_ROWS, type Column } from '../../common/Grid';
import { Empty, Head, Panel, Trouble, Waiting } from '../../common/Panel';
import { useZone } from '../../common/place';
import { useFilters } from '../../common/url';
import { classOf, deckBody, toLines } from './calendar';
import { DECK_FIELDS, DERIVED_FIELDS, RATE_FIELDS, ROUNDINGS } from './fields';
import { May } from '../../common/May';

const Import = lazy(() => import('./Import').then((module) => ({ default: module.Import })));
const Revisions = lazy(() => import('./Revisions').then((module) => ({ default: module.Revisions })));

type Rate = Schemas['Rate'];
type DeckRow = Schemas['Deck'];

/** Rates without a first day hold since ever: the API says 1970. */
const EVER = Date.UTC(1970, 0, 2);

function columns(zone: string, places: number): Column<Rate>[] {
  return [
    { field: 'prefix', headerName: 'Prefix', width: 120, sortable: false, renderCell: ({ row }) => <b>{row.prefix || '(all)'}</b> },
    { field: 'class', headerName: 'Only for', description: 'Hours by the deck’s calendar, United States jurisdiction; empty for all calls', width: 110, sortable: false, narrow: false, renderCell: ({ row }) => classOf(row) },
    { field: 'destination', headerName: 'Destination', flex: 1.6, minWidth: 150, sortable: false },
    { field: 'per_minute', headerName: 'Per minute', width: 110, ...figures, renderCell: ({ row }) => decimal(row.per_minute, places) },
    { field: 'first_per_minute', headerName: 'In minimum', width: 100, ...figures, narrow: false, renderCell: ({ row }) => decimal(row.first_per_minute, places) },
    { field: 'connection_fee', headerName: 'Fee', width: 84, ...figures, narrow: false, renderCell: ({ row }) => decimal(row.connection_fee, places) },
    { field: 'steps', headerName: 'Min/step', width: 84, ...figures, renderCell: ({ row }) => `${row.minimum_s}/${row.increment_s}` },
    { field: 'free_s', headerName: 'Free s', width: 70, ...figures, narrow: false },
    { field: 'effective_from', headerName: `From (${zone})`, width: 148, sortable: false, narrow: false, renderCell: ({ row }) => (Date.parse(row.effective_from) < EVER ? 'always' : <When at={row.effective_from} part="minute" />) },
    { field: 'effective_till', headerName: `Till (${zone})`, width: 148, sortable: false, narrow: false, renderCell: ({ row }) => <When at={row.effective_till} part="minute" /> },
    { field: 'blocked', headerName: 'State', width: 88, sortable: false, renderCell: ({ row }) => row.blocked && <State tone="error">blocked</State> },
  ];
}

function Rates({ deck, onEdit }: { deck: DeckRow; onEdit: (rate: Rate) => void }) {
  const [query, set] = useFilters();
  const zone = useZone();
  const shown = useMemo(() => columns(zoneName(zone), Math.max(4, deck.decimals)), [zone, deck.decimals]);
  const filter = { prefix: query.get('prefix') ?? undefined, destination: query.get('destination') ?? undefined, cursor: query.get('cursor') ?? undefined };
  const rates = useQuery({
    queryKey: ['rates', deck.id, filter],
    queryFn: () => body(api.GET('/api/v1/decks/{id}/rates', { params: { path: { id: deck.id }, query: { ...filter, limit: PAGE_ROWS } } })),
    placeholderData: keepPreviousData,
  });
  const next = rates.data?.next_cursor;
  const filtered = Boolean(filter.prefix ?? filter.destination);
  return (
    <>
      <Box sx={{ display: 'flex', flexWrap: 'wrap', gap: 1, mb: 1.5, alignItems: 'center' }}>
        <TextFilter name="prefix" label="Prefix starts with" width={150} />
        <TextFilter name="destination" label="Destination contains" width={200} />
        <Box sx={{ flex: 1 }} />
        {filter.cursor && <Button onClick={() => set({ cursor: '' }, true)}>« first</Button>}
        <Button variant="outlined" disabled={!next} onClick={() => next && set({ cursor: next }, true)}>more →</Button>
      </Box>
      <Trouble error={rates.error} retry={() => void rates.refetch()} />
      <Panel flush sx={{ opacity: rates.isPlaceholderData ? 0.6 : 1 }}>
        <Grid name="rates" rows={rates.data?.data ?? []} columns={shown} loading={rates.isPending && !rates.error} onOpen={onEdit}
          empty={filtered ? <Empty title="No rate fits">No rate of this deck has such a prefix or destination.</Empty> : <Empty title="This deck has no rates">Calls that need it are refused with cause 307 or 405. Import a sheet: prefix, destination, price of a minute.</Empty>} />
      </Panel>
      <Typography variant="caption" component="p" sx={{ color: 'text.secondary', mt: 1 }}>{count(rates.data?.data.length)} rates by prefix{next ? '; there are more' : ''}. Enter or a click edits a rate; a change holds for the next call.</Typography>
    </>
  );
}

/** The screen. */
export default function Deck({ id }: { id: string }) {
  const path = { path: { id } };
  const read = () => tagged(api.GET('/api/v1/decks/{id}', { params: path }));
  const deck = useQuery({ queryKey: ['deck', id], queryFn: read });
  const [doing, setDoing] = useState<'change' | 'derive' | 'import' | 'revisions' | null>(null);
  const [rate, setRate] = useState<Rate | null>(null);
  if (deck.error) return <Trouble error={deck.error} retry={() => void deck.refetch()} />;
  if (!deck.data) return <Waiting />;
  const value = deck.data.value;
  return (
    <>
      <Head title={value.code} note={<>{value.name !== value.code && `${value.name}, `}{count(value.rates)} rates, {value.currency}, {value.decimals} decimals, seconds rounded {ROUNDINGS.find((rounding) => rounding.value === value.rounding)?.text}{value.derived && `, computed: ${value.derived.take} of ${value.derived.from.length} decks + ${value.derived.add_percent} % + ${value.derived.add_fixed}`}{value.steps_from_zero && ', steps from zero'}{value.zone !== 'UTC' && `, clock of ${value.zone}`}{value.by_jurisdiction && ', by jurisdiction'}{value.by_lrn && ', by routing number'}{value.tax_percent !== '0' && `, ${value.tax_percent} % tax`}, changed <When at={value.updated_at} part="minute" /></>}>
        <May to="write"><Button variant="outlined" onClick={() => setDoing('change')}>Edit</Button></May>
        <Button variant="outlined" onClick={() => setDoing(doing === 'revisions' ? null : 'revisions')}>Revisions</Button>
        <May to="write"><Button variant="outlined" onClick={() => setDoing('derive')}>{value.derived ? 'Computed' : 'Compute'}</Button></May>
        <May to="rates:write"><Button variant="contained" startIcon={<Upload />} onClick={() => setDoing(doing === 'import' ? null : 'import')}>Import a sheet</Button></May>
      </Head>
      {doing === 'import' && <Suspense fallback={<Waiting rows={3} />}><Import deck={value} onClose={() => setDoing(null)} /></Suspense>}
      {doing === 'revisions' && <Suspense fallback={<Waiting rows={3} />}><Revisions deck={value} onClose={() => setDoing(null)} /></Suspense>}
      <Rates deck={value} onEdit={setRate} />
      {doing === 'change' && (
        <ChangeDialog name={id} title={`Edit ${value.code}`} fields={DECK_FIELDS} read={read} onClose={() => setDoing(null)} start={({ code, name, decimals, rounding, tax_percent, steps_from_zero, zone, by_jurisdiction, by_lrn, calendar }) => ({ code, name, decimals, rounding, tax_percent, steps_from_zero, zone, by_jurisdiction, by_lrn, ...toLines(calendar) })}
          send={(values, etag) => body(api.PATCH('/api/v1/decks/{id}', { params: { ...path, header: { 'if-match': etag } }, body: deckBody(values) }))} />
      )}
      {doing === 'derive' && (
        <ChangeDialog name={id} title={`How ${value.code} is computed`} fields={DERIVED_FIELDS} read={read} onClose={() => setDoing(null)}
          start={({ derived }) => ({ take: 'max', add_percent: '0', add_fixed: '0', floor_per_minute: '0', minimum_s: 1, increment_s: 1, free_s: 0, from: [], ...derived })}
          send={(values, etag) => body(api.PATCH('/api/v1/decks/{id}', { params: { ...path, header: { 'if-match': etag } }, body: { derived: Array.isArray(values['from']) && values['from'].length === 0 ? null : values } as Schemas['DeckPatch'] }))} />
      )}
      {rate && (
        <ChangeDialog name={rate.id} title={`Rate ${rate.prefix || '(all)'}${classOf(rate) && ` (${classOf(rate)})`} of ${value.code}, ${value.currency}`} fields={RATE_FIELDS} onClose={() => setRate(null)}
          read={() => tagged(api.GET('/api/v1/decks/{id}/rates/{rate}', { params: { path: { id, rate: rate.id } } }))}
          start={({ destination, per_minute, first_per_minute = null, connection_fee, minimum_s, increment_s, free_s, blocked }) => ({ destination, per_minute, first_per_minute, connection_fee, minimum_s, increment_s, free_s, blocked })}
          send={(values, etag) => body(api.PATCH('/api/v1/decks/{id}/rates/{rate}', { params: { path: { id, rate: rate.id }, header: { 'if-match': etag } }, body: values as Schemas['RatePatch'] }))} />
      )}
    </>
  );
}
