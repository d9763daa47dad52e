/** How a deck's sheets are read, between the API's shape and a form's fields. */
import type { Schemas } from '../../api/http';
import type { Values } from '../../common/Form';

type Terms = Schemas['Terms'];

/** What stands in the form. */
export function toForm(terms: Terms): Values {
  const columns = Object.entries(terms.columns ?? {}).map(([name, what]) => `${name} = ${what}`);
  return { ...terms, columns } as Values;
}

/** What the form says. A line without `=` is sent as it is, so that the API names it. */
export function fromForm(values: Values, before: Terms): Terms {
  const lines = Array.isArray(values['columns']) ? values['columns'] : [];
  const pairs = lines.map((line) => {
    const at = line.lastIndexOf('=');
    return at < 0 ? [line, ''] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  });
  return { ...before, ...values, columns: Object.fromEntries(pairs) as Record<string, string> } as Terms;
}

/** What a form says about many rates: what is empty is not said. */
export function changeOf(values: Values): Schemas['BulkChange'] {
  const said = Object.entries(values).filter(([, value]) => value !== null && value !== '');
  return Object.fromEntries(said.map(([name, value]) => [name, name === 'blocked' ? value === 'yes' : value]));
}
