/** Percentiles on the axis of nines, as in the plots of HdrHistogram. Pure. */

/** Latency at a percentile. */
export interface Point {
  /** 0 to 100. */
  percentile: number;
  /** Nanoseconds. */
  ns: number;
}

/** Where a percentile stands on the axis: 0 % at 0, 90 % at 1, 99 % at 2, 99.9 % at 3. */
export function nines(percentile: number): number {
  const rest = 1 - Math.min(percentile, 99.9999) / 100;
  return -Math.log10(rest);
}

/** The label of a place on the axis. */
export function ninesLabel(at: number): string {
  const known = ['0 %', '90 %', '99 %', '99.9 %', '99.99 %', '99.999 %', '99.9999 %'];
  return Number.isInteger(at) ? (known[at] ?? '') : '';
}

/** One x axis for several curves: the union of their places, and each curve's values there (null where it has none). */
export function joined(curves: Point[][]): { x: number[]; ys: (number | null)[][] } {
  const places = [...new Set(curves.flatMap((curve) => curve.map((point) => nines(point.percentile))))].sort((a, b) => a - b);
  const ys = curves.map((curve) => {
    const at = new Map(curve.map((point) => [nines(point.percentile), point.ns]));
    return places.map((place) => at.get(place) ?? null);
  });
  return { x: places, ys };
}
