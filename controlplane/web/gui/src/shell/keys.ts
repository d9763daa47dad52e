/** Keys that work on every screen. `g` and then a letter goes to a screen. */
import { useEffect } from 'react';
import { leaveBy } from '../common/Leave';

/** Screens by the letter after `g`. */
export const GO: Record<string, { href: string; name: string }> = {
  o: { href: '/', name: 'Overview' },
  a: { href: '/calls', name: 'Active calls' },
  c: { href: '/carriers', name: 'Carriers' },
  r: { href: '/routing', name: 'Routing' },
  s: { href: '/routing/simulate', name: 'Simulate' },
  d: { href: '/cdrs', name: 'CDRs' },
  t: { href: '/rates', name: 'Rate decks' },
  m: { href: '/statistics', name: 'Statistics' },
  l: { href: '/latency', name: 'Latency' },
  n: { href: '/nodes', name: 'Nodes' },
  u: { href: '/nodes/cluster', name: 'Cluster' },
};

/** How long `g` waits for its letter, in milliseconds. */
const SECOND_KEY_MS_MAX = 1200;

interface Handlers {
  go: (href: string) => void;
  search: () => void;
  help: () => void;
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable="true"]') !== null;
}

/** Listens for the keys while the shell is shown. */
export function useKeys({ go, search, help }: Handlers): void {
  useEffect(() => {
    let gAt = 0;
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      const place = performance.now() - gAt < SECOND_KEY_MS_MAX ? GO[event.key] : undefined;
      gAt = 0;
      if (place) leaveBy(() => go(place.href));
      else if (event.key === 'g') gAt = performance.now();
      else if (event.key === '/') search();
      else if (event.key === '?') help();
      else return;
      event.preventDefault();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [go, search, help]);
}
