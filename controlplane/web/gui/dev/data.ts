/** Made-up objects for development. Their shapes are checked against openapi.json by the compiler. */
import type { components } from '../src/api/schema';

type S = components['schemas'];

/** Steady pseudo-random numbers: the mock looks the same at each start. */
export function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

const at = (ms: number) => new Date(ms).toISOString().replace('Z', '000Z');
const start = Date.now();
const updated_at = at(start - 3_600_000);

export const carriers: S['Carrier'][] = [
  ['acme', 'Acme Telecom Ltd'], ['globex', 'Globex Wholesale'], ['initech', 'Initech Voice'], ['blux', 'Blux Carrier Services'], ['oria', 'Oria Networks'], ['flaky', 'Flaky Tel'], ['voxa', 'Voxa International'], ['priceybird', 'Priceybird SA'],
].map(([code = '', name = ''], index) => ({ id: `car_${index + 1}`, code, name, blocked: code === 'voxa', originator_capacity: 0, capacity: 0, ingress_capacity: 0, ingress_cps: 0, ingress_cps_window_s: 1, egress_capacity: 0, egress_cps: 0, egress_cps_window_s: 1, policy: {}, updated_at }));

const named = (row: { id: string; code: string }) => ({ id: row.id, code: row.code });
const carrier = (index: number) => named(carriers[index] ?? { id: 'car_0', code: '' });

export const accounts: S['Account'][] = carriers.map((row, index) => ({
  id: `acc_${index + 1}`, code: row.code, carrier: named(row), currency: 'USD', kind: index === 0 ? 'prepaid' : 'postpaid', credit_limit: index === 0 ? '0' : '5000', balance: index < 3 ? '812.4471' : '-12410.22', available: '780.1', held: '32.3471', settled: '4187.5529', owed: '0', funds: '5000', zone: '', netted: false, notice_mail: '', notice_url: '', updated_at,
}));

export const decks: S['Deck'][] = ['acme-sell', 'globex-sell', 'blux-buy', 'oria-buy', 'flaky-buy', 'priceybird-buy'].map((code, index) => ({ id: `dck_${index + 1}`, code, name: '', rates: 214_880, currency: 'USD', decimals: 6, rounding: 'ceil', steps_from_zero: false, tax_percent: '0', zone: 'UTC', calendar: {}, by_jurisdiction: false, by_lrn: false, updated_at }));
const deck = (index: number) => named(decks[index] ?? { id: 'dck_0', code: '' });

export const egress: S['EgressTrunk'][] = [3, 4, 5, 7].map((of, index) => ({
  id: `etr_${index + 1}`, code: `${carrier(of).code}-1`, carrier: carrier(of), account: { id: `acc_${of + 1}`, code: carrier(of).code }, address: `127.0.2.${index + 1}:5060`, strip_digits: 0, add_prefix: index === 1 ? '1234' : '', buy_deck: deck(index + 2), capacity: 1500, cps: 150, active: index !== 3, progress_timeout_s: 0, ring_timeout_s: 0, policy: index === 0 ? { codecs: { allow: ['PCMA', 'telephone-event'] }, rewrite: [{ field: 'called', pattern: '^00', replacement: '+' }] } : {}, updated_at,
}));

export const plans: S['Plan'][] = [{ id: 'pln_1', code: 'wholesale-a', order: 'lcr', margin_min: '0.0001', attempts_max: 4, setup_timeout_s: 0, routes: egress.map((trunk) => ({ egress_trunk: named(trunk), trunk_group: null, priority: 0, weight: 0, percent: 0, rules: {} })), failover: null, rules: {}, policy: {}, updated_at }];
export const groups: S['TrunkGroup'][] = [{ id: 'grp_1', code: 'europe', members: egress.slice(0, 2).map((trunk) => ({ egress_trunk: named(trunk), priority: 0, weight: 50, nodes: [] })), updated_at }];

export const ingress: S['IngressTrunk'][] = [0, 1, 2].map((of) => ({
  id: `itr_${of + 1}`, code: `${carrier(of).code}-ip`, carrier: carrier(of), account: { id: `acc_${of + 1}`, code: carrier(of).code }, sources: [{ network: `127.0.1.${of + 1}`, port: null }, { network: '192.0.2.0/28', port: 5060 }], taken: [], tech_prefix: of === 2 ? '99#' : '', plan: { id: 'pln_1', code: 'wholesale-a' }, sell_deck: deck(of % 2), ways: { inter: {}, intra: {}, indeterminate: {} }, capacity: 1000, cps: 50, active: true, max_duration_s: 0, media_timeout_s: 60, policy: {}, updated_at,
}));

const PLACES = ['United Kingdom-Mobile-O2', 'India-Mobile', 'India-Delhi', 'Germany-Fixed', 'France-Mobile-Orange', 'USA', 'Nigeria-Lagos', 'Brazil-Mobile-Vivo'];

export function rates(prefix: string): S['Rate'][] {
  const next = dice(7);
  return Array.from({ length: 400 }, (_, index) => ({
    id: `rat_${index + 1}`, prefix: String(3_300 + index * 17), hours: index % 7 === 3 ? 'peak' as const : 'any' as const, jurisdiction: 'any' as const, destination: PLACES[Math.floor(next() * PLACES.length)] ?? '', per_minute: (0.001 + next() * 0.05).toFixed(4), connection_fee: '0', minimum_s: 1, increment_s: index % 5 === 0 ? 60 : 1, free_s: 0, effective_from: updated_at, effective_till: null, blocked: index % 41 === 40,
  })).filter((rate) => rate.prefix.startsWith(prefix));
}

export function call(index: number, now: number): S['Call'] {
  const next = dice(index + 11);
  const up = next() > 0.4;
  const age = Math.floor(next() * 400_000);
  const state = up ? 'up' : (['trying', 'ringing', 'routing'][index % 3] ?? 'trying');
  return {
    id: `${index}`.padStart(4, '0').padStart(32, '0a1b2c3d'), state, originator: carrier(index % 3), ingress_trunk: named(ingress[index % 3] ?? { id: '', code: '' }), terminator: carrier(3 + (index % 3)), egress_trunk: named(egress[index % 3] ?? { id: '', code: '' }),
    calling: index === 3 ? '<script>alert(1)</script>' : `4420${(7_000_000 + index * 997) % 10_000_000}`, called: `9198${(1_000_000 + index * 1_993) % 10_000_000}`, attempt: 1 + (index % 2), started_at: at(now - age), age_ms: age, talking_ms: up ? Math.floor(age * 0.9) : null, sell_per_minute: '0.0124', buy_per_minute: '0.011', codec: up ? 'PCMA/8000' : '', shard: index % 2, media_path: up ? 'kernel' : 'sockets', stays: up ? [] : ['setup'],
    ingress_media: { packets: up ? 900 : 0, kernel_packets: up ? 880 : 0, lost: 0, jitter_us: 310, rtt_us: null, mos: up ? 4.4 : null }, egress_media: { packets: up ? 890 : 0, kernel_packets: up ? 870 : 0, lost: 4, jitter_us: 820, rtt_us: 51_000, mos: up ? 4.21 : null },
  };
}

const price = (sell: boolean, billed_s: number): S['Price'] => ({ currency: 'USD', deck_currency: 'USD', exchange: '1.00', price: sell ? '0.039684' : '0.035204', tax: '0', tax_percent: '0', billed_s, per_minute: sell ? '0.0124' : '0.011', connection_fee: '0', minimum_s: 1, increment_s: 1, steps_from_zero: false, free_s: 0, decimals: 6, prefix_digits: 4, hours: 'any', jurisdiction: 'any', deck: deck(sell ? 0 : 3) });
const media = (packets: number): S['Media'] => ({ packets, kernel_packets: Math.floor(packets * 0.98), bytes: packets * 172, lost: packets > 0 ? 3 : 0, lost_percent: packets > 0 ? 0.03 : null, strangers: 0, reordered: 1, duplicates: 0, burst_loss_percent: null, burst_ms: 0, first_ms: packets > 0 ? 12 : null, rtt_us: packets > 0 ? 48_200 : null, jitter_us: 412, mos: packets > 0 ? 4.36 : null });

export function cdr(index: number, now: number, attempt = 0): S['Cdr'] {
  const answered = index % 3 !== 1;
  const begun = now - 4_000 * (index + 1) - 192_000;
  const of = 3 + (index % 3);
  return {
    call: `${index}`.padStart(4, '0').padStart(32, '0a1b2c3d'), attempt, attempts: attempt ? 1 : 1 + (index % 2), revision: 1881, originator: carrier(index % 3), originator_account: carrier(index % 3) as never, ingress_trunk: named(ingress[index % 3] ?? { id: '', code: '' }), terminator: carrier(of), terminator_account: null, egress_trunk: named(egress[of - 3] ?? { id: '', code: '' }),
    calling: `4420${7_000_000 + index * 997}`, called: `9198${1_000_000 + index * 1_993}`, called_routed: `9198${1_000_000 + index * 1_993}`, lrn: null, jurisdiction: 'international', started_at: at(begun), answered_at: answered ? at(begun + 4_100) : null, ended_at: at(begun + 196_000), pdd_ms: answered ? 2_041 : null, duration_ms: answered ? 191_204 : 0, sip_status: answered ? 200 : [503, 486, 480][index % 3 === 1 ? (index >> 1) % 3 : 0] ?? 503, cause: answered ? 16 : 34, cause_text: answered ? 'normal release' : 'no circuit available', released_by: answered ? 'ingress' : 'egress',
    sell: answered ? price(true, 192) : null, buy: answered ? price(false, 192) : null, margin: answered ? (index % 7 === 0 ? '-0.00448' : '0.00448') : null, ingress_address: `127.0.1.${(index % 3) + 1}:5060`, egress_address: `127.0.2.${of - 2}:5060`, ingress_call_id: `1-${2_000 + index}@127.0.1.1`, egress_call_id: `t0-${index}a94b8@127.0.0.1`, codec: answered ? 'PCMA/8000' : '', recorded: answered && index % 3 === 0 ? 'yes' : 'no', identity: 'no', attestation: null, identity_doubt: null, identity_origin: null, ingress_media: media(answered ? 9_560 : 0), egress_media: media(answered ? 9_548 : 0),
  };
}

const raw = (first: string, method: string, sdp: boolean, who: string) => `${first}\r\nVia: SIP/2.0/UDP 127.0.1.1:5060;branch=z9hG4bK-1\r\nFrom: "${who}" <sip:442071234567@127.0.1.1>;tag=1\r\nTo: <sip:919810123442@127.0.0.1>\r\nCall-ID: 1-2000@127.0.1.1\r\nCSeq: 1 ${method}\r\n${sdp ? 'Content-Type: application/sdp\r\n' : ''}\r\n${sdp ? 'v=0\r\no=- 1 1 IN IP4 127.0.1.1\r\ns=-\r\nc=IN IP4 127.0.1.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\n' : ''}`;

export function ladder(call_: S['Cdr']): S['Ladder'] {
  const other = '127.0.2.1:5060';
  const last = call_.egress_address ?? other;
  const steps: [number, 'in' | 'out', 'ingress' | 'egress', string, string, boolean, string][] = [
    [0, 'in', 'ingress', 'INVITE sip:919810123442@127.0.0.1 SIP/2.0', 'INVITE', true, last], [41, 'out', 'ingress', 'SIP/2.0 100 Trying', 'INVITE', false, last],
    [212, 'out', 'egress', 'INVITE sip:919810123442@127.0.2.1 SIP/2.0', 'INVITE', true, other], [611_000, 'in', 'egress', 'SIP/2.0 503 Service Unavailable', 'INVITE', false, other], [611_080, 'out', 'egress', 'ACK sip:919810123442@127.0.2.1 SIP/2.0', 'ACK', false, other],
    [611_310, 'out', 'egress', 'INVITE sip:919810123442@127.0.2.2 SIP/2.0', 'INVITE', true, last], [640_010, 'in', 'egress', 'SIP/2.0 100 Trying', 'INVITE', false, last], [2_041_000, 'in', 'egress', 'SIP/2.0 180 Ringing', 'INVITE', false, last], [2_041_090, 'out', 'ingress', 'SIP/2.0 180 Ringing', 'INVITE', false, last],
    [4_100_000, 'in', 'egress', 'SIP/2.0 200 OK', 'INVITE', true, last], [4_100_420, 'out', 'ingress', 'SIP/2.0 200 OK', 'INVITE', true, last], [4_101_000, 'in', 'ingress', 'ACK sip:919810123442@127.0.0.1 SIP/2.0', 'ACK', false, last], [4_101_060, 'out', 'egress', 'ACK sip:919810123442@127.0.2.2 SIP/2.0', 'ACK', false, last],
    [195_304_000, 'in', 'ingress', 'BYE sip:919810123442@127.0.0.1 SIP/2.0', 'BYE', false, last], [195_304_070, 'out', 'egress', 'BYE sip:919810123442@127.0.2.2 SIP/2.0', 'BYE', false, last], [195_304_080, 'out', 'ingress', 'SIP/2.0 200 OK', 'BYE', false, last], [195_305_900, 'in', 'egress', 'SIP/2.0 200 OK', 'BYE', false, last],
  ];
  const us = call_.ingress_address ?? '';
  return {
    started_at: call_.started_at,
    messages: steps.map(([offset_us, direction, leg, first, method, sdp, peer]) => {
      const far = leg === 'ingress' ? us : peer;
      return { at: call_.started_at, offset_us, direction, leg, attempt: leg === 'ingress' ? 0 : peer === other ? 1 : 2, from: direction === 'in' ? far : '127.0.0.1:5060', to: direction === 'in' ? '127.0.0.1:5060' : far, label: first, raw: raw(first, method, sdp, '<script>window.broken = 1</script>') };
    }),
  };
}

export function candidates(past: boolean): S['Candidate'][] {
  const row = (place: number | null, index: number, buy: string, margin: string, percent_: number, reason: string, cause: number | null): S['Candidate'] => ({
    place, egress_trunk: named(egress[index] ?? { id: '', code: '' }), terminator: egress[index]?.carrier ?? { id: '', code: '' }, plan: { id: 'pln_1', code: 'wholesale-a' }, because: place === null ? 'margin' : null, limit: place === null ? '0.0001' : null, drawn_percent: null, buy_per_minute: buy, currency: 'USD', margin_per_minute: margin, margin_percent: percent_, verdict: place === null ? 'dropped' : 'kept', cause, reason, calling_out: past || place === null ? null : '49305', called_out: past || place === null ? null : '919810123442',
  });
  return [row(1, 0, '0.0098', '0.0026', 20.97, 'cheapest buy rate', null), row(2, 1, '0.011', '0.0014', 11.29, 'second by buy rate', null), row(3, 2, '0.0112', '0.0012', 9.68, 'third by buy rate', null), row(null, 3, '0.0141', '-0.0017', -13.71, 'rate margin lower than allowed', 324)];
}

export function arithmetic(sell: boolean): S['Arithmetic'] {
  const per_minute = sell ? '0.0124' : '0.011';
  const total = sell ? '0.03968' : '0.0352';
  return { currency: 'USD', duration_ms: 191_204, seconds: 192, billed_s: 192, prefix_digits: 4, hours: 'any', jurisdiction: 'any', per_minute, connection_fee: '0', net: total, tax: '0', price: total, steps: ['191,204 ms talked, rounded up to 192 s', 'minimum 1 s, steps of 1 s: 192 s billed', `192 s × ${per_minute} USD/min ÷ 60 = ${total}`, `fee 0, rounded once to 6 decimals: ${total} USD`], agrees: true };
}

export function stage(name: string, base: number): S['StageLatency'] {
  const curve = [50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100].map((percentile, index) => ({ percentile, ns: Math.round(base * (1 + index * index * 0.6)) }));
  const of = (percentile: number) => curve.find((point) => point.percentile === percentile)?.ns ?? 0;
  return { stage: name, count: 903_114, p50_ns: of(50), p90_ns: of(90), p99_ns: of(99), p99_9_ns: of(99.9), p99_99_ns: of(99.99), max_ns: of(100), curve };
}

export function sums(calls: number, money: [string, string, string]): S['Sums'] {
  return { calls, answered: Math.floor(calls * 0.46), asr_percent: 46.2, acd_ms: 184_000, pdd_ms: 2_104, talked_ms: calls * 84_000, money: [{ currency: 'USD', revenue: money[0], cost: money[1], margin: money[2] }] };
}

export function figures(now: number): S['Figures'] {
  const wave = Math.sin(now / 20_000);
  return { at: at(now), data_plane_up: true, age_ms: 212, revision: 1881, draining: false, refuses: null, calls: Math.round(612 + 40 * wave), answered: Math.round(420 + 30 * wave), cps: Number((20 + 4 * wave + Math.sin(now / 1_300) * 2).toFixed(1)), answers_per_second: 9.4, backlog_records: 3, journal_disk_percent: 12, window_s: 900, sums: { ...sums(18_204, ['482.104221', '421.880017', '60.224204']), asr_percent: 46.2 + 3 * wave }, sums_at: at(now) };
}

/** A moment as the API writes it. */
export const moment = at;
