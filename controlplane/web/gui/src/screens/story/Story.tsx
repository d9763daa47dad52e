/** One call's story: what was said, what was decided, what it cost, how it sounded. */
import { lazy, Suspense, useMemo } from 'react';
import { Alert, Box, Button, LinearProgress, Table, TableBody, TableCell, TableHead, TableRow, Typography } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { Link, useLocation } from 'wouter';
import { api, body, Refused, type Schemas } from '../../api/http';
import { Defined, Fact, Facts, State, When } from '../../common/Fact';
import { count, decimal, fixed, micros, NONE, percent, span, talk } from '../../common/format';
import { Empty, Head, Panel, Trouble, Waiting } from '../../common/Panel';
import { Price } from '../../common/Price';
import { MONO } from '../../theme';
import { Candidates } from '../routing/Candidates';
import { columnsOf } from './columns';

const Ladder = lazy(() => import('./Ladder').then((module) => ({ default: module.Ladder })));

type Whole = Schemas['Story'];
type Cdr = Schemas['Cdr'];
type Media = Schemas['Media'];

const STAGES: Record<string, string> = {
  parse: 'Reading the INVITE',
  admit: 'Finding the ingress trunk',
  limits: 'Capacity, CPS and money',
  route: 'Rates and order of routes',
  egress: 'Sending the INVITE on',
  answer: 'Passing the answer on',
  pdd: 'Post-dial delay',
};

function Summary({ call }: { call: Cdr }) {
  return (
    <Panel title="Call">
      <Box sx={{ display: 'grid', gridTemplateColumns: { xs: '1fr', md: '1fr 1fr' }, columnGap: 4, rowGap: 0.4 }}>
        <Facts>
          <Fact name="From">{call.calling || 'anonymous'}</Fact>
          <Fact name="To, as received">{call.called}</Fact>
          <Fact name="To, as routed">{call.called_routed || NONE}</Fact>
          {call.lrn && <Fact name="Routing number">{call.lrn}</Fact>}
          {call.jurisdiction !== 'any' && <Fact name="Jurisdiction">{call.jurisdiction}</Fact>}
          <Fact name="Originator">{call.originator ? <Link href={`/carriers/${call.originator.id}`}>{call.originator.code}</Link> : 'unknown'} · {call.ingress_trunk?.code ?? 'no trunk'} · {call.ingress_address ?? NONE}</Fact>
          <Fact name="Terminator">{call.terminator ? <Link href={`/carriers/${call.terminator.id}`}>{call.terminator.code}</Link> : 'none'}{call.egress_trunk ? ` · ${call.egress_trunk.code} · ${call.egress_address ?? NONE}` : ''}</Fact>
          <Fact name="Call-ID in"><Box component="span" sx={{ fontFamily: MONO, fontSize: '0.72rem' }}>{call.ingress_call_id || NONE}</Box></Fact>
          <Fact name="Call-ID out"><Box component="span" sx={{ fontFamily: MONO, fontSize: '0.72rem' }}>{call.egress_call_id || NONE}</Box></Fact>
        </Facts>
        <Facts>
          <Fact name="Started"><When at={call.started_at} /></Fact>
          <Fact name="Answered"><When at={call.answered_at} /></Fact>
          <Fact name="Ended"><When at={call.ended_at} /></Fact>
          <Fact name="Duration" figure="duration">{talk(call.duration_ms)} <Box component="span" sx={{ color: 'text.secondary' }}>({count(call.duration_ms)} ms)</Box></Fact>
          <Fact name="Release" figure="cause">{call.cause} {call.cause_text}, SIP {call.sip_status || NONE}</Fact>
          <Fact name="Ended by" figure="releasedBy">{call.released_by}</Fact>
          <Fact name="Codec">{call.codec || NONE}</Fact>
          {call.identity !== 'no' && <Fact name="Signed identity" figure="identity">{IDENTITY[call.identity]}{call.attestation ? `, attestation ${call.attestation}` : ''}{call.identity_doubt ? ` (${call.identity_doubt})` : ''}</Fact>}
          {call.recorded !== 'no' && <Fact name="Recorded" figure="recorded">{RECORDED[call.recorded]}</Fact>}
        </Facts>
      </Box>
    </Panel>
  );
}

const IDENTITY: Record<Cdr['identity'], string> = {
  no: '', missing: 'none came', passed: 'right', failed: 'wrong', unknown: 'its certificate could not be had', signed: 'signed by us', relayed: 'passed on', unsigned: 'could not be signed by us',
};

const RECORDED: Record<Cdr['recorded'], string> = {
  no: 'no', yes: 'yes', gaps: 'with gaps', codec: 'no: its codec cannot be decoded', silent: 'no: no voice came by the switch', lost: 'no: all was lost on the way to the file',
};

/** The call's recording, to be heard at once or kept; each time somebody asks for it, it is written down who did. */
function Recording({ call, seconds }: { call: string; seconds: number }) {
  const url = `/api/v1/calls/${call}/recording`;
  return (
    <Box sx={{ display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: 1.5, px: 1.5, py: 1 }}>
      <audio controls preload="none" src={url} aria-label="Recording of this call" style={{ height: 36, flex: '1 1 240px' }} />
      <Button component="a" href={url} download={`${call}.wav`} variant="outlined" title="WAV; whoever listens is written down">Download ({talk(seconds * 1_000)})</Button>
    </Box>
  );
}

function MediaTable({ call, from, to }: { call: Cdr; from: Media; to: Media }) {
  if (from.packets === 0 && to.packets === 0) {
    return <Empty title="No media was relayed">{call.answered_at ? 'The call was answered, but neither side sent RTP through the switch.' : 'The call was not answered.'}</Empty>;
  }
  const rows: [string, Media][] = [[`from ${call.originator?.code ?? 'originator'}`, from], [`from ${call.terminator?.code ?? 'terminator'}`, to]];
  return (
    <Table size="small" sx={{ '& td, & th': { whiteSpace: 'nowrap' }, '& tr:last-child td': { borderBottom: 0 } }}>
      <TableHead>
        <TableRow>
          <TableCell>Direction</TableCell><TableCell align="right">Packets</TableCell><TableCell align="right"><Defined figure="kernelPackets">Kernel</Defined></TableCell><TableCell align="right"><Defined figure="lost">Lost</Defined></TableCell>
          <TableCell align="right"><Defined figure="reordered">Late, twice</Defined></TableCell>
          <TableCell align="right"><Defined figure="burst">Bursts</Defined></TableCell><TableCell align="right"><Defined figure="firstPacket">First</Defined></TableCell><TableCell align="right"><Defined figure="rtt">Round trip</Defined></TableCell>
          <TableCell><Defined figure="suite">Encryption</Defined></TableCell><TableCell align="right"><Defined figure="jitter">Jitter</Defined></TableCell><TableCell align="right"><Defined figure="strangers">Strangers</Defined></TableCell><TableCell align="right"><Defined figure="mos">MOS</Defined></TableCell>
        </TableRow>
      </TableHead>
      <TableBody>
        {rows.map(([name, media]) => (
          <TableRow key={name}>
            <TableCell>{name}{media.packets === 0 && <> <State tone="error">silent</State></>}</TableCell>
            <TableCell align="right">{count(media.packets)}</TableCell>
            <TableCell align="right">{media.kernel_packets === 0 ? NONE : count(media.kernel_packets)}</TableCell>
            <TableCell align="right">{count(media.lost)} <Box component="span" sx={{ color: 'text.secondary' }}>({percent(media.lost_percent, 2)})</Box></TableCell>
            <TableCell align="right">{count(media.reordered)}, {count(media.duplicates)}</TableCell>
            <TableCell align="right">{media.burst_ms === 0 ? NONE : `${count(media.burst_ms)} ms, ${percent(media.burst_loss_percent, 0)}`}</TableCell>
            <TableCell align="right">{media.first_ms == null ? NONE : `${count(media.first_ms)} ms`}</TableCell>
            <TableCell align="right">{micros(media.rtt_us)}</TableCell>
            <TableCell>{media.suite ?? NONE}</TableCell>
            <TableCell align="right">{micros(media.jitter_us)}</TableCell>
            <TableCell align="right">{count(media.strangers)}</TableCell>
            <TableCell align="right"><b>{fixed(media.mos, 2)}</b></TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

function Stages({ stages }: { stages: Whole['stages'] }) {
  const inside = stages.filter((stage) => stage.stage !== 'pdd');
  const most = Math.max(1, ...inside.map((stage) => stage.us));
  return (
    <Box sx={{ display: 'grid', gridTemplateColumns: 'minmax(0, max-content) minmax(40px, 1fr) max-content', columnGap: 1.5, rowGap: 0.6, alignItems: 'center', fontSize: '0.78rem' }}>
      {stages.map(({ stage, us }) => (
        <Box key={stage} sx={{ display: 'contents' }} data-stage={stage}>
          <Box title={stage} sx={{ color: 'text.secondary' }}>{STAGES[stage] ?? stage}</Box>
          {stage === 'pdd' ? <span /> : <LinearProgress aria-hidden variant="determinate" value={(100 * us) / most} sx={{ height: 5, borderRadius: 1, bgcolor: 'action.hover' }} />}
          <Box sx={{ textAlign: 'right' }}>{us === 0 ? NONE : micros(us)}</Box>
        </Box>
      ))}
    </Box>
  );
}

function Money({ story }: { story: Whole }) {
  if (!story.sell && !story.buy) return <Empty title="Nothing was charged">A call that is not answered costs nothing.</Empty>;
  return (
    <Box sx={{ display: 'grid', gap: 1.75 }}>
      {story.sell && <Price title="Sell" sum={story.sell} />}
      {story.buy && <Price title="Buy" sum={story.buy} />}
      {story.margin != null && (
        <Box sx={{ display: 'flex', borderTop: 1, borderColor: 'divider', pt: 1, alignItems: 'baseline', gap: 1 }}>
          <Typography variant="h2" component="h3"><Defined figure="margin">Margin</Defined></Typography>
          <Box sx={{ flex: 1 }} />
          <Box component="span" sx={{ fontSize: '1rem', fontWeight: 640 }}>{decimal(story.margin, 4)}</Box>
          <Typography variant="caption" sx={{ color: 'text.secondary' }}>{percent(story.margin_percent)}</Typography>
        </Box>
      )}
    </Box>
  );
}

/** How long after a call's end its captured messages may still come, in milliseconds: the transactions' 32 s, and time to collect. */
const CAPTURE_DUE_MS = 60_000;

function captureDue({ ladder, call }: Whole): boolean {
  return !ladder && Date.now() - Date.parse(call.ended_at) < CAPTURE_DUE_MS;
}

function resultsOf(attempts: Cdr[]): Map<string, { text: string; good: boolean }> {
  return new Map(attempts.flatMap((a) => {
    if (!a.egress_trunk) return [];
    const status = a.answered_at ? 'answered' : a.sip_status ? `SIP ${a.sip_status}` : `cause ${a.cause}`;
    return [[a.egress_trunk.id, { text: `try ${a.attempt} · ${status}`, good: Boolean(a.answered_at) }] as const];
  }));
}

function Told({ story }: { story: Whole }) {
  const { call, attempts, ladder, decision } = story;
  const drawn = useMemo(() => (ladder ? columnsOf(ladder.messages, call, attempts) : undefined), [ladder, call, attempts]);
  const results = useMemo(() => resultsOf(attempts), [attempts]);
  const again = new URLSearchParams({ called: call.called_routed, calling: call.calling, ...(call.lrn ? { lrn: call.lrn } : {}), ...(call.ingress_trunk ? { ingress_trunk: call.ingress_trunk.id } : {}) });
  return (
    <>
      <Head
        title={<>{call.calling || 'anonymous'} → {call.called_routed || call.called}</>}
        note={<Box sx={{ display: 'flex', gap: 1, alignItems: 'center' }}><State tone={call.answered_at ? 'success' : 'error'}>{call.answered_at ? 'answered' : `${call.sip_status || ''} not answered`}</State><When at={call.started_at} /></Box>}
      >
        {story.capture_bytes != null && (
          <Button component="a" href={`/api/v1/calls/${call.call}/pcap`} download variant="outlined" title="Opens in Wireshark, tshark or tcpdump; whoever opens it is written down">
            Open capture ({count(Math.ceil(story.capture_bytes / 1024))} KiB)
          </Button>
        )}
        <Button component={Link} href={`/routing/simulate?${again.toString()}`} variant="outlined">Simulate again</Button>
      </Head>
      <Typography variant="body2" component="p" sx={{ mt: -0.75, mb: 1.5, color: 'text.secondary' }} data-verdict>{story.verdict}</Typography>
      <Summary call={call} />
      <Box sx={{ mt: 1.5, display: 'grid', gap: 1.5, gridTemplateColumns: 'minmax(0, 1fr)', '@media (min-width:1320px)': { gridTemplateColumns: 'minmax(0, 1fr) minmax(0, 1fr)' }, alignItems: 'start' }}>
        <Box sx={{ display: 'grid', gap: 1.5, minWidth: 0 }}>
          <Panel title="Ladder" note={drawn ? `${drawn.messages.length} messages · click one to read it` : undefined} flush>
            {drawn && drawn.messages.length > 0
              ? <Suspense fallback={<Waiting />}><Ladder messages={drawn.messages} names={drawn.names} /></Suspense>
              : captureDue(story) ? <Empty title="The messages are on their way">The switch keeps listening for retransmissions for half a minute after a call's end, and hands the captured messages over then. They appear here by themselves.</Empty>
              : <Empty title="This call was not captured">Captures are best effort: the switch keeps the newest messages and never lets a call wait for them.</Empty>}
          </Panel>
        </Box>
        <Box sx={{ display: 'grid', gap: 1.5, minWidth: 0 }}>
          <Panel title="Routing decision" note={decision ? `revision ${decision.revision} · seed ${decision.seed}` : undefined} flush>
            {decision && decision.candidates.length > 0
              ? <Candidates candidates={decision.candidates} results={results} />
              : <Empty title="No route was chosen">The call was refused before routing: cause {call.cause}, {call.cause_text}.</Empty>}
          </Panel>
          <Box sx={{ display: 'grid', gap: 1.5, gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 270px), 1fr))', alignItems: 'start' }}>
            <Panel title="Price"><Money story={story} /></Panel>
            <Panel title="Time inside the switch"><Stages stages={story.stages} /></Panel>
          </Box>
          {story.recording_s != null && <Panel title="Recording" note="originator left, terminator right" flush><Recording call={call.call} seconds={story.recording_s} /></Panel>}
          <Panel title="Media" note={call.codec || undefined} flush><MediaTable call={call} from={story.ingress_media} to={story.egress_media} /></Panel>
          {attempts.length > 0 && <Panel title="Attempts" flush><Attempts attempts={attempts} /></Panel>}
        </Box>
      </Box>
    </>
  );
}

function Attempts({ attempts }: { attempts: Cdr[] }) {
  return (
    <Table size="small" sx={{ '& td, & th': { whiteSpace: 'nowrap' }, '& tr:last-child td': { borderBottom: 0 } }}>
      <TableHead>
        <TableRow><TableCell align="right">#</TableCell><TableCell>Terminator</TableCell><TableCell>Sent</TableCell><TableCell align="right"><Defined figure="pdd">PDD</Defined></TableCell><TableCell align="right">Duration</TableCell><TableCell align="right">SIP</TableCell><TableCell>Cause</TableCell></TableRow>
      </TableHead>
      <TableBody>
        {attempts.map((a) => (
          <TableRow key={a.attempt}>
            <TableCell align="right">{a.attempt}</TableCell>
            <TableCell>{a.terminator?.code ?? NONE}</TableCell>
            <TableCell><When at={a.started_at} part="clock" /></TableCell>
            <TableCell align="right">{span(a.pdd_ms)}</TableCell>
            <TableCell align="right">{talk(a.duration_ms)}</TableCell>
            <TableCell align="right">{a.sip_status || NONE}</TableCell>
            <TableCell>{a.cause} {a.cause_text}</TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

/** The screen. A running call has no story yet: the page says so and asks again. */
export default function Story({ id }: { id: string }) {
  const [, go] = useLocation();
  const story = useQuery({
    queryKey: ['story', id],
    queryFn: () => body(api.GET('/api/v1/cdrs/{call}/story', { params: { path: { call: id } } })),
    refetchInterval: ({ state }) => ((state.error instanceof Refused && state.error.status === 404) || (state.data && captureDue(state.data)) ? 2_000 : false),
  });
  if (story.data) return <Told story={story.data} />;
  if (story.error instanceof Refused && story.error.status === 404) {
    return (
      <>
        <Head title="One call" />
        <Alert severity="info" variant="outlined" action={<Button color="inherit" onClick={() => go('/calls')}>Active calls</Button>}>
          <b>No CDR of this call yet.</b> A call's story is told when it has ended; this page asks again every two seconds. Call {id}.
        </Alert>
      </>
    );
  }
  if (story.error) return <Trouble error={story.error} retry={() => void story.refetch()} />;
  return <Waiting rows={10} />;
}
