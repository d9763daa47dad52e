/** What the browser remembers between visits: zone, look, columns. Filters are not here; they are the URL. */
import { useSyncExternalStore } from 'react';
import type { Zone } from './format';

const listeners = new Set<() => void>();

function read(key: string): string | null {
  try {
    return window.localStorage.getItem(`tandem.${key}`);
  } catch {
    return null;
  }
}

/** Remembers a choice; an empty string forgets it. */
export function remember(key: string, value: string): void {
  try {
    if (value === '') window.localStorage.removeItem(`tandem.${key}`);
    else window.localStorage.setItem(`tandem.${key}`, value);
  } catch {
    // A browser that stores nothing still works; it forgets.
  }
  listeners.forEach((tell) => tell());
}

function subscribe(tell: () => void): () => void {
  listeners.add(tell);
  return () => listeners.delete(tell);
}

/** A remembered choice, or its default. */
export function useRemembered(key: string, otherwise: string): string {
  return useSyncExternalStore(subscribe, () => read(key) ?? otherwise);
}

/** The time zone in which all times are written. */
export function useZone(): Zone {
  return useRemembered('zone', 'utc') === 'local' ? 'local' : 'utc';
}
