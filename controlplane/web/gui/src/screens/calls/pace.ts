/** How often running calls are looked at. */

/** However slow this machine is, rows are this fresh, in seconds. */
const SLOWEST_S = 10;

/** Seconds between two looks that leave the browser's core to others for five times as long as a look takes it. */
export function paceOf(drawn_ms: number): number {
  return Math.min(SLOWEST_S, Math.max(1, Math.ceil((5 * drawn_ms) / 1000)));
}
