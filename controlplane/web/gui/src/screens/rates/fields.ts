/** The fields of decks and rates. */
import type { Field } from '../../common/Form';

export const ROUNDINGS = [{ value: 'ceil', text: 'up' }, { value: 'round', text: 'to the nearest' }, { value: 'floor', text: 'down' }];

export const DECK_FIELDS: Field[] = [
  { name: 'code', label: 'Code', kind: 'text', help: 'Short and unique' },
  { name: 'name', label: 'Name', kind: 'text', optional: true },
  { name: 'decimals', label: 'Decimals of a price', kind: 'number', help: '0 to 9' },
  { name: 'rounding', label: 'Milliseconds to seconds', kind: 'choice', choices: ROUNDINGS },
  { name: 'tax_percent', label: 'Tax, per cent', kind: 'text', help: 'Added to every price, as 20 or 7.7; 0 for none' },
  { name: 'steps_from_zero', label: 'Steps count from zero', kind: 'tick', help: 'Otherwise they begin after the minimum' },
  { name: 'zone', label: 'Clock of', kind: 'text', help: 'A zone such as Europe/Paris: the calendar and dates of sheets are meant there' },
  { name: 'calendar', label: 'Peak hours', kind: 'lines', help: 'One window a line: mon-fri 08:00-20:00. All other hours are off-peak' },
  { name: 'free', label: 'Free days', kind: 'lines', help: 'Days of the week or dates, one a line: sat-sun, 2026-12-25' },
  { name: 'by_jurisdiction', label: 'By United States jurisdiction', kind: 'tick', help: 'Rates for inter, intra and indeterminate calls count; otherwise only those of any' },
  { name: 'by_lrn', label: 'By routing number', kind: 'tick', help: 'A ported number is looked up by its location routing number' },
];

/** How a deck is computed from others. */
export const DERIVED_FIELDS: Field[] = [
  { name: 'from', label: 'Computed from decks', kind: 'lines', help: 'Ids such as dck_3, one a line; none for rates of its own' },
  { name: 'take', label: 'Price that counts', kind: 'choice', choices: [{ value: 'max', text: 'the highest' }, { value: 'min', text: 'the lowest' }] },
  { name: 'add_percent', label: 'Plus per cent', kind: 'text', help: 'Of every price' },
  { name: 'add_fixed', label: 'Plus, a minute', kind: 'text', help: 'After the per cents; may be below zero' },
  { name: 'floor_per_minute', label: 'At least, a minute', kind: 'text' },
  { name: 'minimum_s', label: 'Minimum, seconds', kind: 'number' },
  { name: 'increment_s', label: 'Step, seconds', kind: 'number' },
  { name: 'free_s', label: 'Free seconds', kind: 'number' },
];

export const RATE_FIELDS: Field[] = [
  { name: 'destination', label: 'Destination', kind: 'text', wide: true },
  { name: 'per_minute', label: 'Price of a minute', kind: 'text' },
  { name: 'first_per_minute', label: 'Price of a minute within the minimum', kind: 'text', optional: true, help: 'Empty: as every minute' },
  { name: 'connection_fee', label: 'Connection fee', kind: 'text' },
  { name: 'minimum_s', label: 'Minimum, seconds', kind: 'number' },
  { name: 'increment_s', label: 'Step, seconds', kind: 'number' },
  { name: 'free_s', label: 'Free seconds', kind: 'number' },
  { name: 'blocked', label: 'Blocked', kind: 'tick', help: 'Calls there are refused' },
];

/** A change of many rates: which, and what becomes of them. */
export const CHANGE_FIELDS: Field[] = [
  { name: 'destination', label: 'Destination', kind: 'text', optional: true, help: 'A mask such as UK%mobile%, where % stands for any text; empty for all' },
  { name: 'prefix', label: 'Prefix starts with', kind: 'text', optional: true, help: 'Empty for all' },
  { name: 'effective_from', label: 'From', kind: 'text', optional: true, help: 'As 2026-01-31T00:00:00Z; empty for the moment of applying. Rates of later days stay' },
  { name: 'add_percent', label: 'Plus per cent', kind: 'text', optional: true, help: 'As 2.5 or -10; rounded to the deck’s decimals' },
  { name: 'add', label: 'Plus, a minute', kind: 'text', optional: true, help: 'An amount; may be below zero' },
  { name: 'per_minute', label: 'New price of a minute', kind: 'text', optional: true },
  { name: 'connection_fee', label: 'New connection fee', kind: 'text', optional: true },
  { name: 'minimum_s', label: 'New minimum, seconds', kind: 'number', optional: true },
  { name: 'increment_s', label: 'New step, seconds', kind: 'number', optional: true },
  { name: 'blocked', label: 'Calls there', kind: 'choice', optional: true, choices: [{ value: '', text: 'as before' }, { value: 'yes', text: 'are refused' }, { value: 'no', text: 'are taken' }] },
];

/** How sheets are read: the words of the API, with help. Columns are written as `name = what`, one a line. */
export const TERM_FIELDS: Field[] = [
  { name: 'semantics', label: 'A code that is missing', kind: 'choice', help: 'Agree it with the carrier: guessing wrong loses money', choices: [{ value: 'a_to_z', text: 'is closed (A–Z)' }, { value: 'full_country', text: 'is closed if its country is listed' }, { value: 'partial', text: 'stays as it is (partial)' }] },
  { name: 'unit', label: 'A price is of', kind: 'choice', choices: [{ value: 'minute', text: 'a minute' }, { value: 'second', text: 'a second' }, { value: 'increment', text: 'the row’s increment' }] },
  { name: 'decimal_mark', label: 'Before decimals', kind: 'choice', choices: [{ value: 'auto', text: 'found out by column' }, { value: 'point', text: 'a point' }, { value: 'comma', text: 'a comma' }] },
  { name: 'date_order', label: '03/04/2026 is', kind: 'choice', help: 'A date with two readings is a problem until this is said', choices: [{ value: 'ask', text: 'a problem' }, { value: 'day_first', text: '3 April' }, { value: 'month_first', text: '4 March' }] },
  { name: 'utc_offset_min', label: 'Minutes ahead of UTC', kind: 'number', optional: true, help: 'Of the sheet’s dates, −840 to 840; empty for the clock of the deck' },
  { name: 'steps_order', label: '30/6/0 is', kind: 'choice', choices: [{ value: 'minimum_first', text: 'minimum/increment/free' }, { value: 'increment_first', text: 'increment/minimum/free' }, { value: 'free_minimum', text: 'free/minimum/increment' }, { value: 'free_increment', text: 'free/increment/minimum' }] },
  { name: 'steps', label: 'Steps where none are given', kind: 'text', help: 'Minimum/increment/free seconds' },
  { name: 'dashes', label: '4420-4429 is', kind: 'choice', choices: [{ value: 'ask', text: 'a range if both ends begin alike' }, { value: 'range', text: 'a range' }, { value: 'space', text: 'one code' }] },
  { name: 'from', label: 'Without a date, from', kind: 'text', optional: true, help: 'RFC 3339; empty for the moment of applying' },
  { name: 'increases_from', label: 'Increases without a date, from', kind: 'text', optional: true, help: 'RFC 3339; empty for what the title says' },
  { name: 'decreases_from', label: 'Decreases without a date, from', kind: 'text', optional: true, help: 'RFC 3339; empty for what the title says' },
  { name: 'notice_days', label: 'Notice, days', kind: 'number', help: 'Increases that begin earlier are listed' },
  { name: 'columns', label: 'Columns', kind: 'lines', help: 'One a line: its name or #3 = prefix, country_code, npa, nxx, npanxx, destination, rate, inter_rate, intra_rate, indeterminate_rate, peak_rate, off_peak_rate, free_day_rate, hours, jurisdiction, first_rate, connection_fee, steps, minimum, increment, free, from, till, status, blocked or ignored' },
  { name: 'fill_down', label: 'Empty names mean the one above', kind: 'tick', help: 'As merged cells do' },
];

/** What needs a second user: it stands in the deck's template only. */
export const GUARD_FIELDS: Field[] = [
  { name: 'increase_percent_max', label: 'Rise, % at most', kind: 'number', help: 'A price that rises more needs a second user; 0 for never' },
  { name: 'closed_percent_max', label: 'Closed, % at most', kind: 'number', help: 'A sheet that closes more codes needs a second user; 0 for never' },
];
