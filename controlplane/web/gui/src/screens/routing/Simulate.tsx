/** What would happen to a call: the data plane's own code on the data plane's own snapshot. The question is the URL. */
import { useState, type FormEvent } from 'react';
import { Alert, Box, Button, MenuItem, TextField, Typography } from '@mui/material';
import Play from '@mui/icons-material/PlayArrowOutlined';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { api, body, type Schemas } from '../../api/http';
import { useIngressTrunks } from '../../api/objects';
import { Fact, Facts, State, When } from '../../common/Fact';
import { micros } from '../../common/format';
import { Empty, Head, Panel, Trouble, Waiting } from '../../common/Panel';
import { Price } from '../../common/Price';
import { useFilters } from '../../common/url';
import { Batch } from './Batch';
import { Candidates } from './Candidates';
import { Stages } from './Stages';

type Simulation = Schemas['Simulation'];

/** The fields of the form, as they stand in the URL. */
const FIELDS = ['ingress_trunk', 'source', 'calling', 'called', 'lrn', 'talk_s'] as const;
type Asked = Record<(typeof FIELDS)[number], string>;

function askedOf(query: URLSearchParams): Asked {
  return Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? ''])) as Asked;
}

function Question({ asked, onAsk }: { asked: Asked; onAsk: (asked: Asked) => void }) {
  const trunks = useIngressTrunks();
  const [texts, setTexts] = useState(asked);
  const set = (name: keyof Asked) => (event: { target: { value: string } }) => setTexts((old) => ({ ...old, [name]: event.target.value }));
  const known = (trunks.data ?? []).some((trunk) => trunk.id === texts.ingress_trunk);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onAsk(texts);
  };
  return (
    <Panel sx={{ mb: 1.5 }}>
      <Box component="form" onSubmit={submit} sx={{ display: 'flex', flexWrap: 'wrap', gap: 1, alignItems: 'flex-start' }}>
        <TextField select label="As ingress trunk" value={texts.ingress_trunk} onChange={set('ingress_trunk')} sx={{ width: 200 }}>
          <MenuItem value=""><em>by address</em></MenuItem>
          {!known && texts.ingress_trunk !== '' && <MenuItem value={texts.ingress_trunk}>{texts.ingress_trunk}</MenuItem>}
          {(trunks.data ?? []).map((trunk) => <MenuItem key={trunk.id} value={trunk.id}>{trunk.code} · {trunk.carrier.code}</MenuItem>)}
        </TextField>
        {texts.ingress_trunk === '' && <TextField label="From address:port" placeholder="192.0.2.1:5060" value={texts.source} onChange={set('source')} sx={{ width: 190 }} />}
        <TextField label="From" value={texts.calling} onChange={set('calling')} sx={{ width: 150 }} slotProps={{ htmlInput: { name: 'calling' } }} />
        <TextField label="To" value={texts.called} onChange={set('called')} required sx={{ width: 170 }} slotProps={{ htmlInput: { name: 'called' } }} />
        <TextField label="Routing number" value={texts.lrn} onChange={set('lrn')} sx={{ width: 150 }} slotProps={{ htmlInput: { name: 'lrn' } }} />
        <TextField label="Talk, seconds" value={texts.talk_s} placeholder="60" onChange={set('talk_s')} sx={{ width: 110 }} slotProps={{ htmlInput: { inputMode: 'numeric' }, inputLabel: { shrink: true } }} />
        <Button type="submit" variant="contained" startIcon={<Play />} disabled={texts.called === '' || (texts.ingress_trunk === '' && texts.source === '')} sx={{ height: 36 }}>Simulate</Button>
      </Box>
    </Panel>
  );
}

/** The first route that nothing stands against at this moment; the first of all if something stands against each. */
export function firstOf(candidates: Simulation['candidates']) {
  const kept = candidates.filter((candidate) => candidate.verdict === 'kept');
  return kept.find((candidate) => !(candidate.hurdles ?? []).some((hurdle) => hurdle.certain)) ?? kept[0];
}

function Answer({ simulation: s }: { simulation: Simulation }) {
  const first = firstOf(s.candidates);
  return (
    <Box data-simulation>
      {s.refusal && <Alert severity="warning" variant="outlined" sx={{ mb: 1.5 }}><b>The call would be refused: cause {s.refusal.cause}.</b> {s.refusal.text} (at: {s.refusal.step})</Alert>}
      {(s.hurdles ?? []).map((hurdle) => <Alert key={hurdle.reason} severity="warning" variant="outlined" data-hurdle={hurdle.cause} sx={{ mb: 1.5 }}><b>At this moment the call {hurdle.certain ? 'would' : 'may'} be refused: cause {hurdle.cause}.</b> {hurdle.reason}</Alert>)}
      {s.limits_unknown && <Alert severity="info" variant="outlined" sx={{ mb: 1.5 }}>Not looked at: {s.limits_unknown}</Alert>}
      {!s.refusal && first && <Alert severity="success" variant="outlined" sx={{ mb: 1.5 }}>First choice is <b>{first.terminator.code}</b> by trunk {first.egress_trunk.code}{first.called_out ? `, called as ${first.called_out}` : ''}.</Alert>}
      <Box sx={{ display: 'grid', gap: 1.5, gridTemplateColumns: { xs: 'minmax(0, 1fr)', lg: '340px minmax(0, 1fr)' }, alignItems: 'start' }}>
        <Box sx={{ display: 'grid', gap: 1.5 }}>
          <Panel title="Admission">
            {s.admission ? (
              <Facts>
                <Fact name="Originator"><Link href={`/carriers/${s.admission.originator.id}`}>{s.admission.originator.code}</Link></Fact>
                <Fact name="Ingress trunk">{s.admission.ingress_trunk.code}</Fact>
                <Fact name="Account">{s.admission.account.code}</Fact>
                <Fact name="Address">{s.source}</Fact>
                <Fact name="To, as routed">{s.admission.called_routed}</Fact>
                {s.admission.lrn && <Fact name="Routing number">{s.admission.lrn}</Fact>}
                <Fact name="Jurisdiction">{s.admission.jurisdiction}{(s.admission.calling_state || s.admission.called_state) && ` (${s.admission.calling_state ?? '?'} → ${s.admission.called_state ?? '?'})`}</Fact>
                <Fact name="Hours of the sell deck">{s.admission.hours.replace('_', ' ')}</Fact>
                <Fact name="Plan"><Link href={`/routing/${s.admission.plan.id}`}>{s.admission.plan.code}</Link></Fact>
                <Fact name="Sell deck"><Link href={`/rates/${s.admission.sell_deck.id}`}>{s.admission.sell_deck.code}</Link></Fact>
              </Facts>
            ) : <Box><State tone="error">not admitted</State> from {s.source}</Box>}
          </Panel>
          <Panel title="Decided">
            <Facts>
              <Fact name="Revision" figure="revision">{s.revision}</Fact>
              <Fact name="Rates as of"><When at={s.at} /></Fact>
              <Fact name="Took">{micros(s.elapsed_us)}</Fact>
            </Facts>
          </Panel>
        </Box>
        <Box sx={{ display: 'grid', gap: 1.5, minWidth: 0 }}>
        {s.stages.length > 0 && <Panel title="Numbers" note="as the rules of the originator and of the plan leave them" flush><Stages stages={s.stages} /></Panel>}
        <Panel title="Candidates" note="in the order of trying; the dropped ones last" flush>
          {s.candidates.length > 0 ? <Candidates candidates={s.candidates} /> : <Empty title="No candidates">Routing was never reached, or the plan has no routes.</Empty>}
        </Panel>
          <Box sx={{ display: 'grid', gap: 1.5, gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 300px), 1fr))', alignItems: 'start' }}>
            {s.sell && <Panel><Price title="Sell" sum={s.sell} /></Panel>}
            {s.buy && <Panel><Price title="Buy, first choice" sum={s.buy} /></Panel>}
          </Box>
        </Box>
      </Box>
    </Box>
  );
}

/** The screen. */
export default function Simulate() {
  const [query, set] = useFilters();
  const asked = askedOf(query);
  const complete = asked.called !== '' && (asked.ingress_trunk !== '' || asked.source !== '');
  const key = JSON.stringify(asked);
  const simulation = useQuery({
    queryKey: ['simulate', key],
    enabled: complete,
    retry: false,
    staleTime: 0,
    queryFn: () => body(api.POST('/api/v1/route:simulate', {
      body: {
        ingress_trunk: asked.ingress_trunk || null,
        source: asked.ingress_trunk === '' ? asked.source : null,
        calling: asked.calling,
        called: asked.called,
        lrn: asked.lrn,
        talk_ms: /^\d+$/.test(asked.talk_s) ? Number(asked.talk_s) * 1000 : null,
      },
    })),
  });
  const [many, setMany] = useState(false);
  const ask = (next: Asked) => {
    if (JSON.stringify(next) === key) void simulation.refetch();
    else set(next, true);
  };
  return (
    <>
      <Head title="Simulate a call" note="the same code and the same snapshot as real calls"><Button onClick={() => setMany(!many)}>{many ? 'One call' : 'Many calls'}</Button></Head>
      {many && <Batch />}
      <Question key={key} asked={asked} onAsk={ask} />
      <Trouble error={simulation.error} />
      {simulation.data && complete && <Answer simulation={simulation.data} />}
      {simulation.isFetching && !simulation.data && <Waiting />}
      {!complete && <Empty title="Which call?">Choose an ingress trunk (or the address that the INVITE would come from) and a number. Nothing is dialled: you see every candidate route, the reason for its place or for being dropped, and both prices. <Typography component="span" variant="body2" sx={{ display: 'block', mt: 1 }}>The address of this page is the question: share it.</Typography></Empty>}
    </>
  );
}
