/** The fields of a plan. */
import { choices, type Plan } from '../../api/objects';
import type { Field } from '../../common/Form';

/** What the orders are called. */
export const ORDERS = { lcr: 'Least cost', priority: 'Priority, then cost', weight: 'Weight, then cost', percent: 'Share of calls', quality: 'Quality, then cost' } as const;

/** The fields of a plan apart from its routes and rules; `self` is the plan that is edited. */
export function planFields(plans: Plan[] | undefined, self = ''): Field[] {
  const others = choices(plans).filter((plan) => plan.value !== self);
  return [
    { name: 'code', label: 'Code', kind: 'text', help: 'Short and unique' },
    { name: 'order', label: 'Order of routes', kind: 'choice', help: 'For quality the policy says by which formula; ASR if it does not', choices: Object.entries(ORDERS).map(([value, text]) => ({ value, text })) },
    { name: 'margin_min', label: 'Margin guard, per minute', kind: 'text', help: 'Sell less buy must be at least this; negative allows a loss' },
    { name: 'attempts_max', label: 'Tries at most', kind: 'number', help: '1 to 16, failover plans included' },
    { name: 'setup_timeout_s', label: 'Set-up time, seconds', kind: 'number', help: 'INVITE to answer over all tries; 0 for 180' },
    { name: 'failover', label: 'Failover plan', kind: 'choice', optional: true, choices: [{ value: '', text: 'none' }, ...others], help: 'Its routes are tried when none of this plan is left; three plans in a row at most' },
  ];
}
