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
