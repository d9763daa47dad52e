/** What the page of statistics asks, from its address; and the CDRs behind one of its groups. */
import type { Schemas } from '../../api/http';
import { figureIn, numberIn, timeWindow, type TimeWindow } from '../../common/url';

export type Row = Schemas['StatisticsRow'];
export type Figures = Schemas['StatisticsFigures'];
export type Sum = Schemas['MoneySum'];

/** Spans that may be chosen, in seconds. Sums outlive CDRs, so they are long. */
export const SPANS: Record<string, number> = { '6h': 21_600, '1d': 86_400, '7d': 604_800, '30d': 2_592_000, '90d': 7_776_000, '365d': 31_536_000 };

/** By what groups are told apart. */
export const DIMENSIONS = [
  { value: 'originator', text: 'originator' },
  { value: 'ingress_trunk', text: 'ingress trunk' },
  { value: 'terminator', text: 'terminator' },
  { value: 'egress_trunk', text: 'egress trunk' },
  { value: 'country', text: 'country code' },
  { value: 'prefix', text: 'destination' },
  { value: 'cause', text: 'cause' },
  { value: 'hour', text: 'hour' },
  { value: 'day', text: 'day' },
  { value: 'month', text: 'month' },
];

const SORTS = ['calls', 'place', 'attempts', 'answered', 'asr', 'attempt_asr', 'ner', 'acd', 'pdd', 'talked', 'revenue', 'cost', 'margin'] as const;
export type Sort = (typeof SORTS)[number];

/** The three dimensions of the address; by originator when nothing was chosen. */
export function dimensions(query: URLSearchParams): string[] {
  return (query.get('by') ?? 'originator').split(',').filter((word) => DIMENSIONS.some((known) => known.value === word));
}

/** The dimensions after the one at a place was chosen or left out, as the address writes them. */
export function chosen(before: string[], place: number, word: string): string {
  const times = ['hour', 'day', 'month'];
  const clash = (other: string) => other === word || (times.includes(word) && times.includes(other));
  const after = before.map((old, index) => (index === place ? word : clash(old) ? '' : old));
  if (place >= before.length) after.push(word);
  return after.filter((one) => one !== '').join(',') || 'none';
}

/** The window of the address: fixed moments, or the last span. */
export function windowOf(query: URLSearchParams, now: number): TimeWindow {
  if (query.get('from') && query.get('till')) return timeWindow(query, now);
  const seconds = SPANS[query.get('window') ?? '1d'] ?? 86_400;
  return { from: new Date(now - seconds * 1000).toISOString(), till: new Date(now).toISOString() };
}

/** What the API is asked, the window and the zone aside. */
export function askOf(query: URLSearchParams) {
  const text = (key: string) => query.get(key) ?? undefined;
  const sort = SORTS.find((known) => known === query.get('sort'));
  const by = dimensions(query).join(',');
  return {
    by: by === '' ? undefined : by, sort, ascending: query.get('ascending') === 'true' ? true : undefined, currency: text('currency'),
    originator: text('originator'), ingress_trunk: text('ingress_trunk'), terminator: text('terminator'), egress_trunk: text('egress_trunk'),
    called: numberIn(query, 'called'), cause: figureIn(query, 'cause'), cursor: text('cursor'),
  };
}

/** The address of the CDRs that a group sums up: its calls or its attempts, all or the answered ones. */
export function cdrsOf(row: Row, query: URLSearchParams, window: TimeWindow, attempts: boolean, answered: boolean): string {
  const wanted = new URLSearchParams();
  for (const key of ['originator', 'ingress_trunk', 'terminator', 'egress_trunk'] as const) {
    const id = row[key]?.id ?? query.get(key);
    if (id) wanted.set(key, id);
  }
  // The longest says most: they are beginnings of each other.
  const called = [query.get('called'), row.country, row.prefix].map((one) => one ?? '').sort((a, b) => b.length - a.length)[0];
  if (called) wanted.set('called', called);
  const cause = row.cause ?? query.get('cause');
  if (cause !== null && cause !== undefined) wanted.set('cause', String(cause));
  const later = (a: string, b: string) => (Date.parse(a) > Date.parse(b) ? a : b);
  const sooner = (a: string, b: string) => (Date.parse(a) < Date.parse(b) ? a : b);
  wanted.set('from', row.period ? later(row.period.from, window.from) : window.from);
  wanted.set('till', row.period ? sooner(row.period.till, window.till) : window.till);
  if (attempts) wanted.set('kind', 'attempt');
  if (answered) wanted.set('answered', 'true');
  wanted.sort();
  return `/cdrs?${wanted.toString()}`;
}
