/**
 * How figures are written. Money stays a decimal string from the API to the glyph: nothing here turns it into a float.
 */

export type Zone = 'utc' | 'local';

/** What stands where there is no value. */
export const NONE = '–';

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `9812` → `9,812`. */
export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? NONE : grouped.format(value);
}

/** A float rounded by the digits that it is written with, half away from zero: `2.105` with two places is `2.11`, though the float lies below. */
function decimals(value: number, places: number): string {
  const digits = String(value);
  return digits.includes('e') ? value.toFixed(places) : rounded(digits, places).replaceAll(',', '').replace('−', '-');
}

/** `3.14159` with two places → `3.14`. */
export function fixed(value: number | null | undefined, places: number): string {
  return value === null || value === undefined || Number.isNaN(value) ? NONE : decimals(value, places);
}

/** `46.2` → `46.2 %`. */
export function percent(value: number | null | undefined, places = 1): string {
  return value === null || value === undefined || Number.isNaN(value) ? NONE : `${decimals(value, places).replace('-', '−')} %`;
}

/** A decimal string with its whole part grouped and at least `places` decimals; further decimals stay unless they are zero. */
export function decimal(value: string | null | undefined, places = 2): string {
  if (value === null || value === undefined || value === '') return NONE;
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(value);
  if (!match) return value;
  const [, sign = '', whole = '0', fraction = ''] = match;
  const kept = fraction.replace(/0+$/, '').padEnd(places, '0');
  const minus = sign === '-' ? '−' : '';
  const groupedWhole = whole.replace(/^0+(?=\d)/, '').replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  return kept === '' ? `${minus}${groupedWhole}` : `${minus}${groupedWhole}.${kept}`;
}

/** The decimals that a column of decimal strings needs so that its points stand under each other, at least `places`. */
export function placesOf(values: (string | null | undefined)[], places = 2): number {
  return Math.max(places, ...values.map((value) => (value?.split('.')[1] ?? '').replace(/0+$/, '').length));
}

/** A decimal string cut to exactly `places` decimals, rounding half away from zero: for headline sums only. */
export function rounded(value: string | null | undefined, places = 2): string {
  if (value === null || value === undefined || value === '') return NONE;
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(value);
  if (!match) return value;
  const [, sign = '', whole = '0', fraction = ''] = match;
  const scale = 10n ** BigInt(places);
  const units = BigInt(whole) * scale + BigInt(fraction.slice(0, places).padEnd(places, '0') || '0');
  const up = Number(fraction[places] ?? '0') >= 5 ? 1n : 0n;
  const total = units + up;
  const tail = places > 0 ? `.${String(total % scale).padStart(places, '0')}` : '';
  return decimal(`${total === 0n ? '' : sign}${total / scale}${tail}`, places);
}

/** The fewest decimals, two at least, with which `whole` less `less` is seen to be `rest`. */
export function placesThatAddUp(whole: string, less: string, rest: string): number {
  const [most, fewest] = [9, 2];
  const units = (value: string, places: number) => BigInt(rounded(value, places).replace(/[,.]/g, '').replace('−', '-'));
  for (let places = fewest; places < most; places += 1) {
    if (units(whole, places) - units(less, places) === units(rest, places)) return places;
  }
  return most;
}

/** -1, 0 or 1: the sign of a decimal string. */
export function signOf(value: string | null | undefined): -1 | 0 | 1 {
  if (!value || !/[1-9]/.test(value)) return 0;
  return value.startsWith('-') ? -1 : 1;
}

/** Milliseconds of talk as `0:07`, `3:12` or `1:02:03`. */
export function talk(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return NONE;
  const seconds = Math.floor(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const ss = String(s).padStart(2, '0');
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${ss}` : `${m}:${ss}`;
}

/** A short span in milliseconds: `812 ms`, `2.10 s`. */
export function span(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return NONE;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${decimals(ms / 1000, ms < 9_995 ? 2 : 1)} s`;
}

/** Nanoseconds in the unit that needs fewest digits: `820 ns`, `41.2 µs`, `6.10 ms`, `2.10 s`. */
export function nanos(ns: number | null | undefined): string {
  if (ns === null || ns === undefined) return NONE;
  const units: [number, string][] = [
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'µs'],
  ];
  for (const [size, name] of units) {
    if (ns >= size) return `${three(ns / size)} ${name}`;
  }
  return `${Math.round(ns)} ns`;
}

/** Microseconds, as `nanos` writes them. */
export function micros(us: number | null | undefined): string {
  return us === null || us === undefined ? NONE : nanos(us * 1000);
}

function three(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** How old something is: `3 s`, `2 min`, `5 h`, `3 d`. */
export function age(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 129_600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

/** Bytes as `812 B`, `1.4 kB`, `3.2 MB`. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [size, unit] = [value, 0];
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${size} B` : `${three(size)} ${units[unit]}`;
}

const pad = (value: number, width = 2) => String(value).padStart(width, '0');

/** How much of an instant is written: `day` leaves the year and the milliseconds out. */
export type Part = 'full' | 'day' | 'minute' | 'clock';

/** An instant in the chosen zone, to the millisecond: `2026-07-20 13:59:58.201`. */
export function when(iso: string | null | undefined, zone: Zone, part: Part = 'full'): string {
  if (!iso) return NONE;
  const d = new Date(iso);
  if (Number.isNaN(d.getTime())) return iso;
  const utc = zone === 'utc';
  const [y, mo, day] = utc ? [d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate()] : [d.getFullYear(), d.getMonth(), d.getDate()];
  const [h, mi] = utc ? [d.getUTCHours(), d.getUTCMinutes()] : [d.getHours(), d.getMinutes()];
  const [s, ms] = utc ? [d.getUTCSeconds(), d.getUTCMilliseconds()] : [d.getSeconds(), d.getMilliseconds()];
  const date = `${y}-${pad(mo + 1)}-${pad(day)}`;
  if (part === 'minute') return `${date} ${pad(h)}:${pad(mi)}`;
  const clock = `${pad(h)}:${pad(mi)}:${pad(s)}.${pad(ms, 3)}`;
  if (part === 'clock') return clock;
  return part === 'day' ? `${date.slice(5)} ${clock.slice(0, 8)}` : `${date} ${clock}`;
}

/** The zone's name for column heads: `UTC` or the browser's zone. */
export function zoneName(zone: Zone): string {
  return zone === 'utc' ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone || 'local';
}
