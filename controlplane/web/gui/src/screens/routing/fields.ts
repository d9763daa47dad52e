/** The fields of a plan. */
import type { Field } from '../../common/Form';

/** What the orders are called. */
export const ORDERS = { lcr: 'Least cost', priority: 'Priority, then cost', weight: 'Weight, then cost', percent: 'Share of calls' } as const;

/** The fields of a plan apart from its routes. */
export const PLAN_FIELDS: Field[] = [
  { name: 'code', label: 'Code', kind: 'text', help: 'Short and unique' },
  { name: 'order', label: 'Order of routes', kind: 'choice', choices: Object.entries(ORDERS).map(([value, text]) => ({ value, text })) },
  { name: 'margin_min', label: 'Margin guard, per minute', kind: 'text', help: 'Sell less buy must be at least this; negative allows a loss' },
  { name: 'attempts_max', label: 'Tries at most', kind: 'number', help: '1 to 16' },
  { name: 'setup_timeout_s', label: 'Set-up time, seconds', kind: 'number', help: 'INVITE to answer over all tries; 0 for 180' },
];
