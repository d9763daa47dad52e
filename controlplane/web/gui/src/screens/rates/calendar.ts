/** A deck's calendar between the API's shape and lines of a form. */
import type { Schemas } from '../../api/http';
import type { Values } from '../../common/Form';

type Calendar = Schemas['Calendar'];
type Peak = NonNullable<Calendar['peak']>[number];
type Weekday = Peak['days'][number];

const WEEK: Weekday[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** `mon-fri` or `mon tue` → the days. A word that is no day is sent as it is, so that the API names it. */
function daysOf(words: string[]): Weekday[] {
  return words.flatMap((word) => {
    const [from = '', till = ''] = word.split('-');
    const [first, last] = [WEEK.indexOf(from as Weekday), WEEK.indexOf(till as Weekday)];
    return first >= 0 && last >= first ? WEEK.slice(first, last + 1) : [word as Weekday];
  });
}

/** `mon-fri 08:00-20:00`. */
function peakOf(line: string): Peak {
  const words = line.toLowerCase().split(/\s+/);
  const [from = '', till = ''] = (words.pop() ?? '').split('-');
  return { days: daysOf(words), from, till };
}

/** The days as a form shows them: neighbours from the third on as a span. */
function named(days: Weekday[]): string {
  const places = days.map((day) => WEEK.indexOf(day)).sort((a, b) => a - b);
  const [first = 0, last = 0] = [places[0], places.at(-1)];
  if (places.length > 2 && last - first === places.length - 1) return `${WEEK[first]}-${WEEK[last]}`;
  return places.map((place) => WEEK[place]).join(' ');
}

/** What stands in the form: peak windows and free days, one a line. */
export function toLines(calendar: Calendar): { calendar: string[]; free: string[] } {
  return {
    calendar: (calendar.peak ?? []).map(({ days, from, till }) => `${named(days)} ${from}-${till}`),
    free: [...(calendar.free_weekdays ?? []), ...(calendar.free_days ?? [])],
  };
}

/** What the form says of a deck, as the API takes it. */
export function deckBody({ calendar, free, ...values }: Values): Schemas['DeckPatch'] {
  const lines = (value: Values[string]) => (Array.isArray(value) ? value : []);
  const days = daysOf(lines(free ?? null).map((word) => word.toLowerCase()));
  const [free_weekdays, free_days] = [days.filter((day) => WEEK.includes(day)), days.filter((day) => !WEEK.includes(day))];
  return { ...values, calendar: { peak: lines(calendar ?? null).map(peakOf), free_weekdays, free_days } } as Schemas['DeckPatch'];
}

/** Which calls a rate is for, in a few words; empty for all. */
export function classOf({ hours, jurisdiction }: { hours?: string | null; jurisdiction?: string | null }): string {
  return [hours, jurisdiction].filter((word) => word && word !== 'any').join(', ').replace('_', ' ');
}
