/** A mock of the API for `npm run dev` without a control plane. It is not part of the build. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Plugin } from 'vite';
import * as data from './data.ts';

type Answer = [status: number, body: unknown];

const list = (rows: unknown[], next_cursor: string | null = null): Answer => [200, { data: rows, next_cursor, as_of: data.moment(Date.now()) }];
const me = { name: 'admin', user: 'usr_1', role: 'admin', scopes: ['admin'], csrf_token: 'mock', has_password: false, has_second_factor: false, must_have_second_factor: false, expires_at: null, version: '0.1.0' };
const carrierSums = (of: (typeof data.carriers)[number], index: number) => ({ carrier: { id: of.id, code: of.code }, running: 240 - index * 60, sums: data.sums(8_000 - index * 2_100, ['241.05', '210.94', '30.11']) });

function machine(id: number): object {
  const shards = [0, 1].map((shard) => ({ shard, cpu_percent: shard === 0 ? 31.4 : 78.2, wait_percent: 0.4 }));
  const disks = [{ holds: 'data', bytes: 500_000_000_000, free_bytes: 410_000_000_000, used_percent: 18 }, { holds: 'journal', bytes: 100_000_000_000, free_bytes: 8_000_000_000, used_percent: 92 }];
  const programs = [{ name: 'dataplane', uptime_s: 8_040, memory_bytes: 310_000_000 }, { name: 'controlplane', uptime_s: 8_044, memory_bytes: 92_000_000 }];
  return { read_at: data.moment(Date.now()), uptime_s: 1_900_000, cores: 8, load: [1.42, 1.1, 0.96], cpu_percent: 17.8, stolen_percent: id === 1 ? 0 : 3.1, memory_bytes: 33_000_000_000, memory_free_bytes: 21_000_000_000, disks, programs, shards, clock_off_ms: id === 1 ? -0.012 : null };
}

function overview(): Answer {
  const now = Date.now();
  const series = Array.from({ length: 600 }, (_, second) => {
    const { at, calls, answered, cps, sums } = data.figures(now - (600 - second) * 1000);
    return { at, calls, answered, cps, asr_percent: sums?.asr_percent };
  });
  return [200, { figures: data.figures(now), machines: [1, 2].map((node) => ({ node, machine: machine(node) })), series, originators: data.carriers.slice(0, 3).map(carrierSums), terminators: data.carriers.slice(3, 6).map(carrierSums) }];
}

function story(id: string): Answer {
  const index = Number(/\d+$/.exec(id)?.[0].slice(-2) ?? 0);
  const call = data.cdr(index, Date.now());
  const first = { ...data.cdr(0, Date.now(), 1), call: call.call, answered_at: null, duration_ms: 0, sip_status: 503, cause: 34, cause_text: 'no circuit available', sell: null, buy: null, margin: null };
  const second = { ...call, attempt: 2, attempts: 1, terminator: { id: 'car_5', code: 'oria' }, egress_trunk: { id: 'etr_2', code: 'oria-1' }, egress_address: '127.0.2.2:5060' };
  const told = { ...call, attempts: 2, terminator: second.terminator, egress_trunk: second.egress_trunk, egress_address: second.egress_address };
  const stages = [['parse', 4], ['admit', 2], ['limits', 3], ['route', 11], ['egress', 38], ['answer', 420], ['pdd', 2_041_000]].map(([stage, us]) => ({ stage, us }));
  return [200, { call: told, attempts: [first, second], verdict: 'Answered by oria on the second try, after 503 from blux; released by the originator after 3:11.', ladder: data.ladder(told), decision: { revision: 1881, seed: '8812', candidates: data.candidates(true) }, sell: data.arithmetic(true), buy: data.arithmetic(false), margin: '0.00448', margin_percent: 11.29, stages, ingress_media: call.ingress_media, egress_media: call.egress_media }];
}

function node(): unknown {
  const shard = (n: number) => ({ shard: n, calls: 306, answered: 210, ports_used: 1_224, ports_max: 10_000, revision: 1881 });
  const counters = ['invites', 'answered', 'refused', 'attempts', 'retransmissions', 'datagrams_in', 'datagrams_out', 'rtp_relayed', 'journal_records', 'parse_errors'].map((name, index) => ({ name, value: (index + 1) ** 5 * 31, meaning: `What ${name} counts.` }));
  return { id: 1, version: '0.1.0', data_plane_up: true, last_seen_at: data.moment(Date.now()), boot: 3, uptime_s: 8_040, published_revision: 1881, revision: 1881, draining: false, barred: false, database_up: true, shards: [shard(0), shard(1)], journal: { records: 182_406, bytes: 88_104_221, disk_percent: 12, backlog_records: 3, backlog_bytes: 1_804, collected_at: data.moment(Date.now()) }, fast_path: { tier: 'xdp', why: '', interfaces: ['eth0 xdp'], relayed: 9_120_444 }, media_sockets: { shared: true, why: '', calls_max: 5_000, calls_max_by: 'media ports', used_percent: 14, alarm: false }, machine: machine(1), counters };
}

const review = { unreadable: null, columns: [{ column: 1, name: 'Dest', means: 'destination' }, { column: 2, name: 'Code', means: 'prefix' }, { column: 3, name: 'Rate', means: 'rate' }, { column: 4, name: 'Remarks', means: null }], rows: 214_880, rates_after: 218_257, new: 312, increased: 1_904, decreased: 3_377, unchanged: 208_790, closed: 497, blocked: 21, problems: [{ row: 8_812, column: 2, message: 'a spreadsheet made "4.42E+10" out of a code or a list; the last digits are lost', repair: '44200000000' }], problem_count: 1, warnings: [], warning_count: 0, disagreements: 12, notice_violations: 2, minutes: 121_314, cost_before: '80101.22', cost_after: '81943.40', minutes_lost: 88, broken: [{ prefix: '4477', destination: 'UK mobile', deck: { id: 'dck_1', code: 'acme-sell' }, sell_per_minute: '0.0050', buy_per_minute: '0.0052' }], broken_count: 37, guards: ['2 prices rise by more than 20 %'] };

function sheet(open: boolean): object {
  const terms = { semantics: 'a_to_z', columns: { Remarks: 'ignored' }, decimal_mark: 'auto', date_order: 'ask', utc_offset_min: 0, unit: 'minute', steps_order: 'minimum_first', steps: '1/1/0', dashes: 'ask', fill_down: false, from: null, increases_from: null, decreases_from: null, notice_days: 7, increase_percent_max: 20, closed_percent_max: 5 };
  return { id: 'imp_3', deck: { id: 'dck_4', code: 'oria-buy' }, name: 'ORIA_AZ_2026-07-20.xlsx', size: 9_120_004, sha256: '9f'.repeat(32), created_at: data.moment(Date.now()), created_by: 'user:anna', state: open ? 'open' : 'applied', approved_by: null, settled_at: null, revision: null, terms, review: open ? review : null };
}

function changes(): object[] {
  const kinds = ['new', 'increase', 'decrease', 'closed'];
  return data.rates('').slice(0, 60).map((rate, index) => ({ prefix: rate.prefix, destination: rate.destination, kind: kinds[index % 4], old_per_minute: index % 4 === 0 ? null : rate.per_minute, new_per_minute: index % 4 === 3 ? null : '0.0121', change_percent: index % 4 === 1 ? 23.5 : index % 4 === 2 ? -4.2 : null, effective_from: rate.effective_from, row: 9 + index, marker: index % 8 === 1 ? 'decrease' : null, minutes: index * 311, impact: '18.40', examples: ['0.000202', '0.006252', '0.012302'], flags: index % 8 === 1 ? ['notice', 'marker'] : [] }));
}

function cluster(): object {
  const since = data.moment(Date.now() - 3_600_000);
  const shards = [{ shard: 0, revision: 1881, calls: 156 }, { shard: 1, revision: 1881, calls: 156 }];
  const outage = { severity: 'outage', text: 'no database becomes primary: edits are refused and records wait in journals until node 1 is back' };
  const lost = [{ severity: 'loss', text: 'calls on it are lost: 312' }, { severity: 'loss', text: '1 of 2 cores remain' }, { severity: 'harmless', text: '2 of 3 members of the arbiter remain, enough' }];
  const node = (id: number, drained: boolean) => ({ id, there: true, roles: ['core', 'web', 'sql', 'state'], group: id === 1 ? 'east' : 'west', calls: drained ? 0 : 312, leaving: drained, drained, empty_since: drained ? since : null, shards, machine: machine(id), if_lost: id === 1 ? [outage, ...lost] : lost });
  const member = (at: number) => ({ url: `http://10.0.0.${at}:2379`, reached: at !== 3, leads: at === 1, node: at < 3 ? at : null });
  const database = (id: number) => ({ node: id, role: id === 1 ? 'primary' : 'replica', since, process: 'running', writable: id === 1, commits: 182_406, behind_s: id === 1 ? null : 0, diverged: false, refused: id === 1 ? 'it is primary already' : null });
  const address = { name: 'database', ip: '10.0.0.100', driver: 'agent', holder: 1, held: true, epoch: 4, since, places: [{ node: 1, up: true, works: true, why: '' }, { node: 2, up: false, works: true, why: '' }] };
  return { state: 'live', told: 'This is so at this moment.', as_of: data.moment(Date.now()), this_node: 1, published_revision: 1881, arbiter: [1, 2, 3].map(member), pair: null, database: { holder: 1, held: true, epoch: 4, since, sync: 2, lag_commits: 0, ordered: null }, databases: [1, 2].map(database), reads: { replica: true, behind_s: 0, why: '' }, addresses: [address], nodes: [node(1, false), node(2, true)], groups: [{ name: 'east', nodes: [1] }, { name: 'west', nodes: [2] }], warnings: ['2 of 3 members of the arbiter answer', 'group east has one node; each group needs 2 at least'] };
}

const audit = ['update', 'create', 'log_in', 'import', 'release'].map((action, index) => ({ id: `aud_${index}`, at: data.moment(Date.now() - index * 60_000), actor: 'user:admin', action, object: ['etr_2', 'car_7', 'usr_1', 'dck_4', '0a1b2c3d'][index], address: '127.0.0.1', request_id: `req-${index}`, before: index === 0 ? { cps: 100, code: 'oria-1' } : null, after: index === 0 ? { cps: 150, code: 'oria-1' } : null }));

const objects: Record<string, { id: string }[]> = { carriers: data.carriers, accounts: data.accounts, 'ingress-trunks': data.ingress, 'egress-trunks': data.egress, decks: data.decks, plans: data.plans, 'trunk-groups': data.groups };

function simulation(): Answer {
  const named = (row: { id: string; code: string } | undefined) => ({ id: row?.id, code: row?.code });
  return [200, { revision: 1881, at: data.moment(Date.now()), source: '127.0.1.1:5060', called: '919810123442', stages: [{ stage: 'arrival', calling: '0305', called: '0919810123442' }, { stage: 'originator', calling: '49305', called: '919810123442' }, { stage: 'plan', calling: '49305', called: '919810123442' }], admission: { ingress_trunk: named(data.ingress[0]), originator: named(data.carriers[0]), account: named(data.accounts[0]), plan: named(data.plans[0]), sell_deck: named(data.decks[0]), called_routed: '919810123442' }, refusal: null, sell: data.arithmetic(true), buy: data.arithmetic(false), candidates: data.candidates(false), elapsed_us: 38 }];
}

function statistics(): Answer {
  const reading = (count: number) => ({ count, answered: Math.round(count * 0.46), asr_percent: 46, ner_percent: 88.2, acd_ms: 184_000, pdd_ms: 2_310 });
  const figures = (count: number) => ({ per_call: reading(count), per_attempt: reading(Math.round(count * 1.4)), talked_ms: count * 84_600, sell_billed_s: count * 85, buy_billed_s: count * 84, ingress_loss_percent: 0.04, egress_loss_percent: 0.11, ingress_mos: 4.38, egress_mos: 4.21, money: [{ currency: 'USD', revenue: '241.05', cost: '210.94', margin: '30.11' }] });
  const rows = data.carriers.map((carrier, index) => ({ period: null, originator: { id: carrier.id, code: carrier.code }, ingress_trunk: null, terminator: null, egress_trunk: null, country: null, prefix: null, cause: null, cause_text: null, figures: figures(9_000 - index * 1_100) }));
  const now = Date.now();
  return [200, { data: rows, total: figures(31_000), from: data.moment(now - 86_400_000), till: data.moment(now), next_cursor: null, as_of: data.moment(now) }];
}

/** A report with a line of each kind. */
function rerating() {
  const sums = (calls: number, before: string, after: string, difference: string) => ({ calls, talked_ms: calls * 61_000, before, before_tax: '0.00', after, after_tax: '0.00', difference });
  const line = (kind: string, destination: string, prefixes: string[], prices: string[], of: object) => ({ kind, destination, prefix_before: prefixes[0], prefix_after: prefixes[1], per_minute_before: prices[0], per_minute_after: prices[1], rate_currency: prices[1] === '0.00' ? '' : 'USD', sums: of });
  const lines = [line('changed', 'UK Mobile', ['447', '4477'], ['0.50', '0.05'], sums(812, '412.77', '41.28', '-371.49')), line('unrated', 'Cuba', ['53', ''], ['0.71', '0.71'], sums(3, '2.16', '2.16', '0.00')), line('same', '', ['', ''], ['0.00', '0.00'], sums(48_211, '611.02', '611.02', '0.00'))];
  const row = { id: 'rrt_1', account: { id: 'acc_1', code: 'acme-usd' }, currency: 'USD', deck: null, priced_by: null, from: '2026-10-01T00:00:00.000000Z', till: '2026-11-01T00:00:00.000000Z', why: '44 7 was entered with 0.50 instead of 0.05', sums: sums(49_026, '1025.95', '654.46', '-371.49') };
  const acts = { made_at: data.moment(Date.now()), made_by: 'user:anna', booked_at: null, booked_by: null, undone_at: null, undone_by: null };
  return { rerating: { ...row, ...acts }, lines, invoices: ['inv_7'], booked_before: [] };
}

function answer(method: string, path: string, query: URLSearchParams): Answer {
  const [noun = '', id = '', inner = ''] = path.split('/');
  const now = Date.now();
  if (method === 'DELETE') return [204, undefined];
  if (path === 'sessions' || path === 'me') return [200, me];
  if (path === 'me/second-factor') return [200, method === 'GET' ? { since_at: null, recovery_codes_left: 0 } : { secret: 'GEZDGNBVGY3TQOJQ', uri: 'otpauth://totp/Tandem:admin', qr_svg: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 2"><path d="M0 0h1v1H0z"/></svg>', recovery_codes: ['aaaa-bbbb-cccc-dddd'] }];
  if (path === 'route:simulate') return simulation();
  if (path === 'rewrites:try') return [200, { text: '+44207123456', steps: ['+44207123456'], cause: null }];
  if (path === 'overview') return overview();
  if (path === 'calls') return list(Array.from({ length: 60 }, (_, index) => data.call(index, now)).sort((a, b) => b.age_ms - a.age_ms));
  if (path === 'cdrs') return list(Array.from({ length: 100 }, (_, index) => data.cdr(index, now)), 'more');
  if (path === 'statistics') return statistics();
  if (noun === 'cdrs') return story(id);
  if (path === 'latency') return [200, { as_of: data.moment(now), uptime_s: 8_040, stages: [['parse', 2_100], ['admit', 480], ['limits', 310], ['route', 5_400], ['egress', 21_000], ['answer', 180_000], ['relay', 3_900]].map(([name, base]) => data.stage(String(name), Number(base))) }];
  if (path === 'cluster') return [200, cluster()];
  if (path === 'nodes') return list([node()]);
  if (path === 'audit') return list(audit);
  if (path === 'users') return list([{ id: 'usr_1', name: 'admin', role: 'admin', has_password: false, has_second_factor: false, created_at: data.moment(now) }, { id: 'usr_2', name: 'anna', role: 'operator', has_password: true, has_second_factor: true, created_at: data.moment(now) }]);
  if (path === 'second-factor-roles') return [200, { roles: ['admin'] }];
  if (path === 'api-keys') return list([{ id: 'key_1', name: 'billing export', scopes: ['cdr:read'], created_at: data.moment(now), expires_at: data.moment(now + 9 * 86_400_000), last_used_at: data.moment(now), networks: ['192.0.2.7', '2001:db8::/32'] }]);
  if (path === 'webhooks') return list([{ id: 'whk_1', name: 'noc', url: 'https://noc.example.net/tandem', events: ['alarm.*', 'account.low'], active: true, stopped: '', created_at: data.moment(now) }]);
  if (noun === 'webhooks' && inner === 'deliveries') return list([{ event: 'alarm:1:journal_disk:1', kind: 'alarm.raised', at: data.moment(now), data: { node: 1, name: 'journal_disk', level: 'warn', what: 'the journal’s disk is 83 % full' }, state: 'waiting', due_at: data.moment(now + 20_000), problem: 'the POST was answered with 503' }]);
  if (noun === 'reratings') return id === '' ? list([rerating().rerating]) : [200, inner === '' ? rerating() : rerating().rerating];
  if (path === 'invoices') return list([{ id: 'inv_7', account: { id: 'acc_1', code: 'acme-usd' }, currency: 'USD', from: '2026-10-01T00:00:00.000000Z', till: '2026-11-01T00:00:00.000000Z', zone: '', issued_by: '', addressed_to: 'Acme Ltd', note: '', calls: 18_204, billed_s: 1_529_136, net: '482.104221', tax: '91.599802', total: '573.704023', made_at: data.moment(now), made_by: 'user:anna', voided_at: null }]);
  if (path === 'alarms') return list([]);
  if (path === 'revisions') return list([1881, 1880, 1879].map((revision) => ({ revision, built_at: data.moment(now - (1881 - revision) * 900_000), bytes: 24_104_221, in_force: revision === 1881 })));
  if (inner === 'imports') return method === 'POST' ? [201, sheet(true)] : list([sheet(true), sheet(false)]);
  if (noun === 'imports') return inner === 'changes' ? list(changes(), 'more') : [200, sheet(true)];
  if (inner === 'template') return [200, (sheet(true) as { terms: object }).terms];
  if (noun === 'decks' && inner === 'revisions') return list([3, 2, 1].map((revision) => ({ revision, created_at: data.moment(now - (4 - revision) * 86_400_000), rates: 214_000 + revision, note: `user:anna imported ORIA_AZ_${revision}.xlsx`, restorable: true })));
  if (inner === 'rates') return list(data.rates(query.get('prefix') ?? '').slice(0, 100), 'more');
  if (inner === 'entries') return list([{ id: 'ent_1', at: data.moment(now), kind: 'payment', amount: '5000', note: 'bank transfer' }]);
  if (noun in objects && id === '') return list(objects[noun] ?? []);
  const one = objects[noun]?.find((row) => row.id === id) ?? (path.includes('/rates/') ? data.rates('')[0] : undefined);
  return one ? [200, one] : [404, { type: 'about:blank', title: 'not found', status: 404, detail: `there is no ${path}`, code: 'not_found', errors: [], request_id: 'mock' }];
}

function events(request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const timer = setInterval(() => response.write(`event: overview\ndata: ${JSON.stringify(data.figures(Date.now()))}\n\n`), 1000);
  request.on('close', () => clearInterval(timer));
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://mock');
  const path = decodeURIComponent(url.pathname).replace(/^\//, '');
  if (path === 'events') {
    events(request, response);
    return;
  }
  const [status, body] = answer(request.method ?? 'GET', path, url.searchParams);
  response.writeHead(status, { 'content-type': status >= 400 ? 'application/problem+json' : 'application/json', etag: '"1"' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

/** The plugin for the development server, and for looking at the built pages. */
export function mock(): Plugin {
  return {
    name: 'tandem-mock',
    configureServer: (server) => void server.middlewares.use('/api/v1/', serve),
    configurePreviewServer: (server) => void server.middlewares.use('/api/v1/', serve),
  };
}
