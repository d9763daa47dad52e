/** The last seconds of a stream, oldest first. */
export class History<T> {
  readonly #kept: number;
  #rows: { at: number; value: T }[] = [];

  /** Keeps `kept` seconds. */
  constructor(kept: number) {
    this.#kept = kept;
  }

  /** Adds what was true at `at` (seconds). A step back in time starts anew: the clock was set, or the node is another. */
  push(at: number, value: T): void {
    const last = this.#rows.at(-1)?.at ?? -Infinity;
    if (at < last - 5) this.#rows = [];
    else if (at <= last) return;
    this.#rows = [...this.#rows.filter((row) => row.at > at - this.#kept), { at, value }];
  }

  /** One array of times and one per reader, of the last `seconds`. */
  columns(seconds: number, readers: ((value: T) => number | null)[]): [number[], ...(number | null)[][]] {
    const newest = this.#rows.at(-1)?.at ?? 0;
    const rows = this.#rows.filter((row) => row.at > newest - seconds);
    return [rows.map((row) => row.at), ...readers.map((read) => rows.map((row) => read(row.value)))];
  }
}
