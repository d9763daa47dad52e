/** Who is told of what happens by a POST, and what became of it. */
import { Fragment, useState } from 'react';
import { Alert, Box, Button, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import Add from '@mui/icons-material/AddOutlined';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { Confirm, FormDialog, type Field, type Values } from '../../common/Form';
import { State, When } from '../../common/Fact';
import { Empty, Panel, Trouble } from '../../common/Panel';
import { MONO } from '../../theme';

type Webhook = Schemas['Webhook'];
type Delivery = Schemas['Delivery'];

const FIELDS: Field[] = [
  { name: 'name', label: 'Name', kind: 'text' },
  { name: 'active', label: 'It is told', kind: 'tick' },
  { name: 'url', label: 'Posted to', kind: 'text', wide: true, help: 'https://…; a private address only where the control plane’s --posts-to names its network' },
  { name: 'events', label: 'Of what', kind: 'lines', help: 'alarm.raised, alarm.cleared, account.low, account.high, account.day_cap, account.month_cap; alarm.* for all of a noun, * for everything' },
];

const TONES = { waiting: 'info', done: 'success', given_up: 'error' } as const;

/** What the form sends. */
export function webhookBody(values: Values): Schemas['WebhookNew'] {
  return { name: String(values['name'] ?? ''), url: String(values['url'] ?? ''), events: (values['events'] as string[] | undefined) ?? [], active: values['active'] === true };
}

function Tries({ webhook, event }: { webhook: string; event: string }) {
  const tries = useQuery({ queryKey: ['tries', webhook, event], queryFn: () => body(api.GET('/api/v1/webhooks/{id}/deliveries/{event}/tries', { params: { path: { id: webhook, event } } })) });
  return (
    <Box sx={{ fontFamily: MONO, fontSize: '0.72rem', lineHeight: 1.6, overflowWrap: 'anywhere' }}>
      <Trouble error={tries.error} />
      {tries.data?.data.map((tried) => <div key={tried.number}>{tried.number}. <When at={tried.at} /> {tried.took_ms} ms: {tried.problem === '' ? 'taken' : tried.problem}</div>)}
    </Box>
  );
}

function One({ webhook, row, onReplay }: { webhook: string; row: Delivery; onReplay: () => void }) {
  const [open, setOpen] = useState(false);
  return (
    <Fragment>
      <TableRow hover>
        <TableCell><When at={row.at} /></TableCell><TableCell>{row.kind}</TableCell>
        <TableCell><State tone={TONES[row.state]}>{row.state.replace('_', ' ')}</State></TableCell>
        <TableCell sx={{ overflowWrap: 'anywhere' }}>{row.problem}{row.due_at && <> next try <When at={row.due_at} /></>}</TableCell>
        <TableCell align="right" sx={{ py: '0 !important', whiteSpace: 'nowrap' }}><Button onClick={() => setOpen(!open)}>{open ? 'Less' : 'Tries'}</Button><Button onClick={onReplay}>Tell again</Button></TableCell>
      </TableRow>
      {open && <TableRow><TableCell colSpan={5} sx={{ bgcolor: 'background.default' }}><Tries webhook={webhook} event={row.event} /><Box component="pre" sx={{ m: 0, mt: 0.5, fontFamily: MONO, fontSize: '0.72rem', whiteSpace: 'pre-wrap' }}>{JSON.stringify(row.data, null, 1)}</Box></TableCell></TableRow>}
    </Fragment>
  );
}

function Deliveries({ webhook }: { webhook: Webhook }) {
  const queries = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const told = useQuery({ queryKey: ['deliveries', webhook.id], queryFn: () => body(api.GET('/api/v1/webhooks/{id}/deliveries', { params: { path: { id: webhook.id }, query: { limit: 50 } } })), refetchInterval: 2_000 });
  const act = (asked: Promise<unknown>) => asked.then(() => setError(null), setError).finally(() => void queries.invalidateQueries({ queryKey: ['deliveries', webhook.id] }));
  const test = () => act(body(api.POST('/api/v1/webhooks/{id}/test', { params: { path: { id: webhook.id } } })));
  const replay = (event: string) => act(body(api.POST('/api/v1/webhooks/{id}/deliveries/{event}/replay', { params: { path: { id: webhook.id, event } } })));
  return (
    <Panel flush title={`What ${webhook.name} was told`} note="newest first; tried for three days, kept for thirty" tools={<Button onClick={() => void test()}>Send a test</Button>}>
      <Trouble error={error ?? told.error} />
      {told.data?.data.length === 0 && <Empty title="Nothing yet">A test shows whether it is heard.</Empty>}
      {(told.data?.data.length ?? 0) > 0 && (
        <Table size="small" sx={{ '& tr:last-child td': { borderBottom: 0 } }}>
          <TableHead><TableRow><TableCell>Time</TableCell><TableCell>What</TableCell><TableCell>State</TableCell><TableCell>Last problem</TableCell><TableCell component="td" /></TableRow></TableHead>
          <TableBody>{told.data?.data.map((row) => <One key={row.event} webhook={webhook.id} row={row} onReplay={() => void replay(row.event)} />)}</TableBody>
        </Table>
      )}
    </Panel>
  );
}

/** The panel. */
export function Webhooks() {
  const queries = useQueryClient();
  const hooks = useQuery({ queryKey: ['webhooks'], queryFn: () => body(api.GET('/api/v1/webhooks')) });
  const [doing, setDoing] = useState<'new' | { what: 'change' | 'secret' | 'delete'; hook: Webhook } | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const [made, setMade] = useState<Schemas['WebhookMade'] | null>(null);
  const again = () => queries.invalidateQueries({ queryKey: ['webhooks'] });
  const shown = hooks.data?.data.find((hook) => hook.id === chosen);
  const on = doing !== null && typeof doing === 'object' ? doing : null;
  return (
    <>
      {made && (
        <Alert severity="success" variant="outlined" sx={{ mb: 1.5 }} onClose={() => setMade(null)}>
          <b>What “{made.webhook.name}” is told is signed with this from now on. It is shown this once:</b>
          <Box component="pre" data-secret sx={{ m: 0, mt: 0.5, fontFamily: MONO, fontSize: '0.76rem', whiteSpace: 'pre-wrap', overflowWrap: 'anywhere', userSelect: 'all' }}>{made.secret}</Box>
          Any library of Standard Webhooks checks it.
        </Alert>
      )}
      <Trouble error={hooks.error} />
      <Panel flush title="Webhooks" tools={<Button startIcon={<Add />} onClick={() => setDoing('new')}>New webhook</Button>}>
        {hooks.data?.data.length === 0 && <Empty title="Nobody is told yet">A webhook is told of alarms and balances by a signed POST, at least once each.</Empty>}
        {(hooks.data?.data.length ?? 0) > 0 && (
          <Table size="small" sx={{ '& tr:last-child td': { borderBottom: 0 } }}>
            <TableHead><TableRow><TableCell>Name</TableCell><TableCell>Posted to</TableCell><TableCell>Of what</TableCell><TableCell>State</TableCell><TableCell component="td" /></TableRow></TableHead>
            <TableBody>
              {hooks.data?.data.map((hook) => (
                <TableRow key={hook.id} hover>
                  <TableCell>{hook.name}</TableCell><TableCell sx={{ overflowWrap: 'anywhere' }}>{hook.url}</TableCell><TableCell>{hook.events.join(', ')}</TableCell>
                  <TableCell>{hook.active ? <State tone="success">told</State> : <State tone={hook.stopped ? 'error' : 'default'}>{hook.stopped ? `stopped: ${hook.stopped}` : 'off'}</State>}</TableCell>
                  <TableCell align="right" sx={{ py: '0 !important', whiteSpace: 'nowrap' }}>
                    <Button onClick={() => setChosen(hook.id)}>Deliveries</Button><Button onClick={() => setDoing({ what: 'change', hook })}>Edit</Button><Button onClick={() => setDoing({ what: 'secret', hook })}>New secret</Button><Button color="error" onClick={() => setDoing({ what: 'delete', hook })}>Delete</Button>
                  </TableCell>
                </TableRow>
              ))}
            </TableBody>
          </Table>
        )}
      </Panel>
      {shown && <Box sx={{ mt: 1.5 }}><Deliveries webhook={shown} /></Box>}
      {doing === 'new' && (
        <FormDialog title="New webhook" verb="Create" fields={FIELDS} start={{ active: true, events: ['alarm.*'] }} onClose={() => setDoing(null)}
          onSend={async (values) => {
            setMade(await body(api.POST('/api/v1/webhooks', { body: webhookBody(values) })));
            await again();
          }} />
      )}
      {on?.what === 'change' && (
        <FormDialog title={`Webhook ${on.hook.name}`} verb="Save" fields={FIELDS} start={{ name: on.hook.name, url: on.hook.url, events: on.hook.events, active: on.hook.active }} onClose={() => setDoing(null)}
          onSend={async (values) => {
            await body(api.PUT('/api/v1/webhooks/{id}', { params: { path: { id: on.hook.id } }, body: webhookBody(values) }));
            await again();
          }} />
      )}
      {on?.what === 'secret' && (
        <Confirm title={`A new secret for ${on.hook.name}?`} verb="Draw" onClose={() => setDoing(null)} onSend={async () => setMade(await body(api.POST('/api/v1/webhooks/{id}/secret', { params: { path: { id: on.hook.id } } })))}>
          What it is told from now on is signed with the new one; the one before counts no more.
        </Confirm>
      )}
      {on?.what === 'delete' && (
        <Confirm title={`Delete webhook ${on.hook.name}?`} verb="Delete" onClose={() => setDoing(null)}
          onSend={async () => {
            await body(api.DELETE('/api/v1/webhooks/{id}', { params: { path: { id: on.hook.id } } }));
            await again();
          }}>
          What it was to be told goes with it.
        </Confirm>
      )}
    </>
  );
}
