/** The fields of carriers, accounts and trunks, and how they become what the API takes. */
import type { Schemas } from '../../api/http';
import { choices, type Account, type Carrier, type Deck, type EgressTrunk, type IngressTrunk, type Plan } from '../../api/objects';
import type { Field, Values } from '../../common/Form';

type Source = Schemas['Source'];

export const CARRIER_FIELDS: Field[] = [
  { name: 'code', label: 'Code', kind: 'text', help: 'Short and unique: a–z, 0–9, . _ -' },
  { name: 'name', label: 'Name', kind: 'text' },
  { name: 'blocked', label: 'Blocked', kind: 'tick', help: 'Neither sends nor takes calls (cause 311)', wide: true },
];

const limitField = (name: string, label: string, help: string): Field => ({ name, label, kind: 'number', help: `${help}; 0 for no limit` });

/** What a carrier may have over all its trunks. */
export const CARRIER_LIMITS: Field[] = [
  limitField('ingress_capacity', 'Capacity in', 'Calls at once that it sends, by all its trunks (cause 313)'),
  limitField('ingress_cps', 'CPS in', 'New calls a second that it sends (cause 427)'),
  { name: 'ingress_cps_window_s', label: 'CPS window in, seconds', kind: 'number', help: 'A burst may fill the whole window: 1 to 60; 0 for 1' },
  limitField('egress_capacity', 'Capacity out', 'Calls at once that it takes, by all its trunks (cause 328)'),
  limitField('egress_cps', 'CPS out', 'New calls a second that it takes (cause 421)'),
  { name: 'egress_cps_window_s', label: 'CPS window out, seconds', kind: 'number', help: 'A burst may fill the whole window: 1 to 60; 0 for 1' },
  limitField('capacity', 'Capacity both ways', 'Calls at once that it sends or takes (cause 420)'),
  limitField('originator_capacity', 'Capacity for each originator', 'Calls at once that it takes of any one originator (cause 422)'),
];

/** What stands in the form of a carrier. */
export function carrierStart(carrier: Carrier): Values {
  const names = [...CARRIER_FIELDS, ...CARRIER_LIMITS].map(({ name }) => name) as (keyof Carrier)[];
  return { policy: carrier.policy, ...Object.fromEntries(names.map((name) => [name, carrier[name] as string | number | boolean])) };
}

export const KINDS = [{ value: 'prepaid', text: 'prepaid' }, { value: 'postpaid', text: 'postpaid' }];

export const ACCOUNT_FIELDS: Field[] = [
  { name: 'code', label: 'Code', kind: 'text' },
  { name: 'kind', label: 'Kind', kind: 'choice', choices: KINDS },
  { name: 'credit_limit', label: 'Credit limit', kind: 'text', optional: true, help: 'How far the balance may fall below zero; below 0, so much must stay. Empty: prepaid not at all, postpaid without limit. Calls beyond it are refused with cause 306, 320 where too little is left for a call to begin, or 425 where something must stay' },
  { name: 'netted', label: 'One balance for both directions', kind: 'tick', help: 'What we owe the carrier counts as its money' },
  { name: 'owed_limit', label: 'Most that we may owe', kind: 'text', optional: true, help: 'For calls that it takes, less what we paid; 0 if it is paid in advance. With one balance for both directions it bounds that balance. Beyond it the carrier is skipped with cause 323. Empty for no limit' },
  { name: 'day_cap', label: 'Spending cap of a day', kind: 'text', optional: true, help: 'What its calls may cost from midnight to midnight; more is refused with cause 423, beyond the month\'s cap with 424. Empty for no cap' },
  { name: 'month_cap', label: 'Spending cap of a month', kind: 'text', optional: true, help: 'Empty for no cap' },
  { name: 'zone', label: 'Time zone', kind: 'text', help: 'Where its days begin, such as Europe/Paris. Empty for UTC' },
  { name: 'notice_low', label: 'Tell when below', kind: 'text', optional: true, help: 'A notice when the balance falls below this; the next one after it was a tenth above' },
  { name: 'notice_high', label: 'Tell when above', kind: 'text', optional: true, help: 'A notice when the balance rises above this' },
  { name: 'notice_mail', label: 'Tell by mail', kind: 'text', wide: true, help: 'Addresses with commas between. Needs a relay: --smtp at the control plane' },
  { name: 'notice_url', label: 'Tell by POST', kind: 'text', wide: true, help: 'An address that takes JSON: https://example.net/hook. Tried again for a day' },
];

/** What stands in the form of an account. */
export function accountStart(account: Account): Values {
  const names = ACCOUNT_FIELDS.map(({ name }) => name) as (keyof Account)[];
  return Object.fromEntries(names.map((name) => [name, (account[name] ?? null) as string | boolean | null]));
}

/** The form's values of an account as the API takes them: text that may be empty is never null. */
export function accountBody(values: Values): Values {
  return { ...values, zone: values['zone'] ?? '', notice_mail: values['notice_mail'] ?? '', notice_url: values['notice_url'] ?? '' };
}

const BOOKINGS = [{ value: 'payment', text: 'payment: they paid us' }, { value: 'correction', text: 'correction: a credit note' }, { value: 'payout', text: 'payout: we paid them' }];

export const PAYMENT_FIELDS: Field[] = [
  { name: 'kind', label: 'Kind', kind: 'choice', choices: BOOKINGS, help: 'A payout lowers what we owe' },
  { name: 'amount', label: 'Amount', kind: 'text', help: 'In the account’s currency; negative goes the other way. Running calls go on with it' },
  { name: 'reference', label: 'Reference', kind: 'text', optional: true, help: 'The same reference is taken once' },
  { name: 'note', label: 'Note', kind: 'text', optional: true, wide: true },
];

/** What an ingress trunk may point at. */
export interface Choices {
  accounts: Account[];
  plans: Plan[];
  decks: Deck[];
}

const LIMITS: Field[] = [
  { name: 'capacity', label: 'Capacity', kind: 'number', help: 'Calls at once; 0 for no limit' },
  { name: 'cps', label: 'CPS', kind: 'number', help: 'New calls a second; 0 for no limit' },
];

/** United States jurisdictions that may go their own way. */
const WAYS = [{ way: 'inter', of: 'From one US state to another' }, { way: 'intra', of: 'Within one US state' }, { way: 'indeterminate', of: 'To the US, and a state is not known' }] as const;

/** The fields of an ingress trunk. */
export function ingressFields({ accounts, plans, decks }: Choices): Field[] {
  return [
    { name: 'code', label: 'Code', kind: 'text' },
    { name: 'account', label: 'Account that pays', kind: 'choice', choices: choices(accounts) },
    { name: 'sources', label: 'Calls may come from', kind: 'lines', help: 'One address or network a line: 192.0.2.0/28, or 192.0.2.7:5060 to demand the port' },
    { name: 'plan', label: 'Routing plan', kind: 'choice', choices: choices(plans) },
    { name: 'sell_deck', label: 'Sell deck', kind: 'choice', choices: choices(decks) },
    { name: 'override_deck', label: 'Override deck', kind: 'choice', optional: true, choices: [{ value: '', text: 'none' }, ...choices(decks)], help: 'Comes before the sell deck wherever it has a rate' },
    ...WAYS.flatMap(({ way, of }): Field[] => [
      { name: `${way}.plan`, label: `Plan of ${way} calls`, kind: 'choice', optional: true, choices: [{ value: '', text: 'as all calls' }, ...choices(plans)], help: of },
      { name: `${way}.sell_deck`, label: `Sell deck of ${way} calls`, kind: 'choice', optional: true, choices: [{ value: '', text: 'as all calls' }, ...choices(decks)], help: of },
    ]),
    { name: 'tech_prefix', label: 'Tech prefix', kind: 'text', optional: true, help: 'Removed before routing' },
    ...LIMITS,
    { name: 'max_duration_s', label: 'Longest call, seconds', kind: 'number', help: '0 for 7,200' },
    { name: 'media_timeout_s', label: 'Silence ends a call after, seconds', kind: 'number', help: '0 for never. Reports (RTCP) alone are silence.' },
    { name: 'active', label: 'Active', kind: 'tick' },
  ];
}

/** The fields of an egress trunk. */
export function egressFields({ accounts, decks }: Choices): Field[] {
  return [
    { name: 'code', label: 'Code', kind: 'text' },
    { name: 'account', label: 'Account that is credited', kind: 'choice', choices: choices(accounts) },
    { name: 'address', label: 'INVITEs go to', kind: 'text', help: 'Address and port: 192.0.2.7:5060' },
    { name: 'buy_deck', label: 'Buy deck', kind: 'choice', choices: choices(decks) },
    { name: 'override_deck', label: 'Override deck', kind: 'choice', optional: true, choices: [{ value: '', text: 'none' }, ...choices(decks)], help: 'Comes before the buy deck wherever it has a rate' },
    { name: 'strip_digits', label: 'Strip digits', kind: 'number', help: 'From the front of the called number' },
    { name: 'add_prefix', label: 'Add prefix', kind: 'text', optional: true, help: 'After stripping' },
    ...LIMITS,
    { name: 'progress_timeout_s', label: 'Next route after, seconds', kind: 'number', help: 'Without 18x or 200; 0 for 8' },
    { name: 'ring_timeout_s', label: 'Ringing at most, seconds', kind: 'number', help: '0 for 120' },
    { name: 'active', label: 'Active', kind: 'tick' },
  ];
}

/** `192.0.2.7:5060`, `192.0.2.0/28`, `[2001:db8::1]:5060` or `2001:db8::/32` → network and port. */
export function sourceOf(line: string): Source {
  const withPort = /^\[(.+)\]:(\d+)$/.exec(line) ?? /^([^:]+):(\d+)$/.exec(line);
  return withPort ? { network: withPort[1] ?? '', port: Number(withPort[2]) } : { network: line.replace(/^\[(.+)\]$/, '$1'), port: null };
}

/** The inverse of `sourceOf`. */
export function lineOf({ network, port }: Source): string {
  if (port === null || port === undefined) return network;
  return network.includes(':') ? `[${network}]:${port}` : `${network}:${port}`;
}

/** The form's values of an ingress trunk as the API takes them. */
export function ingressBody(values: Values): Schemas['IngressTrunkPatch'] {
  const lines = Array.isArray(values['sources']) ? values['sources'] : [];
  const ways = Object.fromEntries(WAYS.map(({ way }) => [way, { plan: values[`${way}.plan`] ?? null, sell_deck: values[`${way}.sell_deck`] ?? null }]));
  const own = Object.fromEntries(Object.entries(values).filter(([name]) => !name.includes('.')));
  return { ...own, ways, sources: lines.map(sourceOf), tech_prefix: values['tech_prefix'] ?? '' } as Schemas['IngressTrunkPatch'];
}

/** The form's values of an egress trunk as the API takes them. */
export function egressBody(values: Values): Schemas['EgressTrunkPatch'] {
  return { ...values, add_prefix: values['add_prefix'] ?? '' } as Schemas['EgressTrunkPatch'];
}

/** What stands in the form of an ingress trunk. */
export function ingressStart(t: IngressTrunk): Values {
  const { code, tech_prefix, capacity, cps, max_duration_s, media_timeout_s, active, policy } = t;
  const ways = Object.fromEntries(WAYS.flatMap(({ way }) => [[`${way}.plan`, t.ways[way]?.plan ?? null], [`${way}.sell_deck`, t.ways[way]?.sell_deck ?? null]]));
  return { policy, code, tech_prefix, capacity, cps, max_duration_s, media_timeout_s, active, account: t.account.id, plan: t.plan.id, sell_deck: t.sell_deck.id, override_deck: t.override_deck?.id ?? null, sources: t.sources.map(lineOf), ...ways };
}

/** What stands in the form of an egress trunk. */
export function egressStart(t: EgressTrunk): Values {
  const { code, address, strip_digits, add_prefix, capacity, cps, progress_timeout_s, ring_timeout_s, active, policy } = t;
  return { policy, code, address, strip_digits, add_prefix, capacity, cps, progress_timeout_s, ring_timeout_s, active, account: t.account.id, buy_deck: t.buy_deck.id, override_deck: t.override_deck?.id ?? null };
}
