/** The stream of figures, once a second over SSE, and the last ten minutes of it. One stream serves all screens. */
import { useEffect, useSyncExternalStore } from 'react';
import { api, body, type Schemas } from './http';
import { History } from './history';

/** One second's figures. */
export type Figures = Schemas['Figures'];
/** One second of the past. */
export type Point = Schemas['Point'];

/** Seconds that are kept for the charts. */
export const KEPT_S = 600;
/** After so long without an event the figures are stale. */
export const STALE_MS = 3_500;

interface Live {
  last?: Figures;
  /** When it came, on this browser's clock. */
  at: number;
  history: History<Point>;
}

let live: Live = { at: 0, history: new History(KEPT_S) };
const listeners = new Set<() => void>();

function tell(next: Partial<Live>): void {
  live = { ...live, ...next };
  listeners.forEach((listener) => listener());
}

const seconds = (at: string) => Math.floor(Date.parse(at) / 1000);

function take(last: Figures): void {
  const { at, calls, answered, cps, sums } = last;
  live.history.push(seconds(at), { at, calls, answered, cps, asr_percent: sums?.asr_percent ?? null });
  tell({ last, at: Date.now() });
}

/** Fills the charts with what the node remembers, before the first event. */
async function remember(): Promise<void> {
  const overview = await body(api.GET('/api/v1/overview'));
  const history = new History<Point>(KEPT_S);
  for (const point of overview.series) history.push(seconds(point.at), point);
  tell({ history });
  take(overview.figures);
}

/** How long a stream that was refused rests, in milliseconds. */
const REST_MS = 3_000;

/** Opens the stream. A browser connects again by itself when a connection breaks, but not when it was refused: a proxy may be without its server for a moment, and a login may have ended. */
function open(): () => void {
  const source = new EventSource('/api/v1/events');
  source.addEventListener('overview', (event: MessageEvent<string>) => take(JSON.parse(event.data) as Figures));
  let close = () => source.close();
  source.addEventListener('error', () => {
    if (source.readyState !== EventSource.CLOSED) return;
    // Whoever is logged out hears it by this question.
    body(api.GET('/api/v1/me')).catch(() => undefined);
    const timer = window.setTimeout(() => (close = open()), REST_MS);
    close = () => window.clearTimeout(timer);
  });
  return () => close();
}

/** Keeps the stream open while somebody is logged in: `login` is another one after each login. */
export function useStream(login: number): void {
  useEffect(() => {
    // Without the past the charts start empty, and the stream says the rest.
    remember().catch(() => undefined);
    return open();
  }, [login]);
}

/** The figures as they stand, told once a second. */
export function useLive(): Live {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => live,
  );
}
