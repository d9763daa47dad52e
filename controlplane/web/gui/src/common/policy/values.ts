/** Values inside a policy: reached by path, written as lines, and cleaned of what says nothing. */

type Json = unknown;
type Part = Record<string, Json>;

const isPart = (value: Json): value is Part => typeof value === 'object' && value !== null && !Array.isArray(value);

/** What stands at `session_timer.mode`. */
export function at(value: Json, path: string): Json {
  return path.split('.').reduce<Json>((inner, name) => (isPart(inner) ? inner[name] : undefined), value);
}

/** The same with another value at a path. */
export function put<T>(value: T, path: string, next: Json): T {
  const [name = '', ...rest] = path.split('.');
  const part: Part = isPart(value) ? { ...value } : {};
  if (rest.length > 0) part[name] = put(part[name] ?? {}, rest.join('.'), next);
  else if (next === undefined) delete part[name];
  else part[name] = next;
  return part as T;
}

/** Without texts and lists that are empty. An empty object stays: a row has its place, and of a chosen part the API says what is missing. */
export function cleaned(value: Json): Json {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((entry) => (isPart(entry) ? cleaned(entry) : entry));
  if (!isPart(value)) return value === '' || value === null ? undefined : value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, cleaned(inner)] as const).filter(([, inner]) => inner !== undefined));
}

/** How many fields a policy sets: parts count by their fields. */
export function count(value: Json): number {
  const clean = cleaned(value);
  if (!isPart(clean)) return clean === undefined ? 0 : 1;
  return Object.values(clean).reduce<number>((sum, inner) => sum + (isPart(inner) ? count(inner) : 1), 0);
}

/** A number if it is written as one, else the text: the API says what is wrong with it. */
export function numberOf(text: string): number | string {
  return /^-?\d{1,15}$/.test(text.trim()) ? Number(text) : text.trim();
}

/** `PCMA, G729` → both; separated by commas or lines. */
export function wordsOf(text: string, numeric: boolean): (string | number)[] {
  const words = text.split(/[\n,]+/).map((word) => word.trim()).filter((word) => word !== '');
  return numeric ? words.map(numberOf) : words;
}

interface Line {
  kind?: string;
  value?: string;
}

/** `44` a prefix, `=447` the whole number, `~^44` an expression; one a line. */
export function linesOf(text: string): Line[] {
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  return lines.map((line) => {
    if (line.startsWith('=')) return { kind: 'exact', value: line.slice(1).trim() };
    if (line.startsWith('~')) return { kind: 'regex', value: line.slice(1).trim() };
    return { kind: 'prefix', value: line };
  });
}

/** The inverse of `linesOf`. */
export function textOf(lines: Line[]): string {
  return lines.map(({ kind, value }) => `${kind === 'exact' ? '=' : kind === 'regex' ? '~' : ''}${value ?? ''}`).join('\n');
}
