/** Every filter is the URL: a screen that was filtered can be sent to somebody else. */
import { useCallback, useMemo } from 'react';
import { useLocation, useSearch } from 'wouter';

/** Changes of a query string; an empty value removes its key. */
export type Changes = Record<string, string | undefined>;

/** The query string after `changes`, in a stable order. */
export function changed(search: string, changes: Changes): string {
  const query = new URLSearchParams(search);
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined || value === '') query.delete(key);
    else query.set(key, value);
  }
  query.sort();
  return query.toString();
}

/** The filters in the URL and a way to change them. `push` keeps the step in the browser's history. */
export function useFilters(): [URLSearchParams, (changes: Changes, push?: boolean) => void] {
  const search = useSearch();
  const [path, go] = useLocation();
  const query = useMemo(() => new URLSearchParams(search), [search]);
  const set = useCallback(
    (changes: Changes, push = false) => {
      const next = changed(window.location.search, changes);
      go(next === '' ? path : `${path}?${next}`, { replace: !push });
    },
    [go, path],
  );
  return [query, set];
}

/** Spans that may be chosen for a time window, in seconds. */
export const WINDOWS = { '5m': 300, '15m': 900, '1h': 3600, '6h': 21_600, '1d': 86_400, '7d': 604_800 } as const;
export type WindowName = keyof typeof WINDOWS;

/** A time window as the API wants it: from is part of it, till is not. */
export interface TimeWindow {
  from: string;
  till: string;
}

/** `from`/`till` if both are in the URL, else the last `window`, which ends at `now`. */
export function timeWindow(query: URLSearchParams, now: number): TimeWindow {
  const [from, till] = [query.get('from'), query.get('till')];
  if (from && till) return { from, till };
  const name = query.get('window') ?? '1h';
  const seconds = name in WINDOWS ? WINDOWS[name as WindowName] : WINDOWS['1h'];
  return { from: new Date(now - seconds * 1000).toISOString(), till: new Date(now).toISOString() };
}

/** A figure in the URL. What is none goes to the API too, which says so: without it, everything would be shown. */
export function figureIn(query: URLSearchParams, key: string): number | undefined {
  const text = query.get(key) ?? '';
  return text === '' ? undefined : /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

/** A number as people copy it, `+44 (20) 7123 4567`, without what only helps to read it. */
export function numberIn(query: URLSearchParams, key: string): string | undefined {
  return query.get(key)?.replace(/[\s()]/g, '') || undefined;
}
