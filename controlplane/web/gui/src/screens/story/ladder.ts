/** Where the arrows of a call's ladder go. Pure: messages in, coordinates out. */

/** One captured SIP message. */
export interface Message {
  /** Microseconds since the call's INVITE arrived. */
  at_us: number;
  /** Name of the column that it left. */
  from: string;
  /** Name of the column that it reached. */
  to: string;
  /** As captured, start line first. */
  raw: string;
}

/** What a message is, for its colour. */
export type Kind = 'request' | 'provisional' | 'success' | 'failure';

/** An arrow. */
export interface Arrow {
  y: number;
  x1: number;
  x2: number;
  label: string;
  kind: Kind;
  /** Time since the INVITE arrived. */
  at_us: number;
  /** Index of its message. */
  message: number;
  /** A pause before it that is worth a word, in microseconds; 0 if none. */
  gap_us: number;
}

/** The whole drawing. */
export interface Ladder {
  width: number;
  height: number;
  columns: { name: string; x: number }[];
  arrows: Arrow[];
}

/** Width of the time column. */
const TIME_W = 84;
/** Distance between two columns, at least. */
const COLUMN_W_MIN = 128;
const ROW_H = 27;
const HEAD_H = 34;
const GAP_H = 20;
/** Pauses from here on get their own line. */
const GAP_US_MIN = 500_000;

/** The start line cut to what an arrow can carry: `INVITE (SDP)`, `200 OK (INVITE)`. */
export function label(raw: string): string {
  const [first = ''] = raw.split(/\r?\n/, 1);
  const sdp = /^content-type\s*:\s*application\/sdp|^c\s*:\s*application\/sdp/im.test(raw) ? ' · SDP' : '';
  const status = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(first);
  if (!status) return `${first.split(' ', 1)[0] ?? ''}${sdp}`;
  const method = /^cseq\s*:\s*\d+\s+([A-Z]+)/im.exec(raw)?.[1];
  const reason = (status[2] ?? '').slice(0, 28);
  return `${status[1]} ${reason}${method && method !== 'INVITE' ? ` (${method})` : ''}${sdp}`;
}

/** Seconds since the INVITE with all six decimals, so that the column lines up. */
export function clock(us: number): string {
  return (us / 1_000_000).toFixed(6);
}

/** Request or which class of response. */
export function kind(raw: string): Kind {
  const status = /^SIP\/2\.0 (\d)/.exec(raw)?.[1];
  if (status === undefined) return 'request';
  if (status === '1') return 'provisional';
  return status === '2' ? 'success' : 'failure';
}

/** Lays the messages out on `width` pixels; columns in order of `names`, then of appearance. */
export function layout(messages: Message[], names: string[], width: number): Ladder {
  const columns = [...new Set([...names, ...messages.flatMap((m) => [m.from, m.to])])];
  const step = Math.max(COLUMN_W_MIN, (width - TIME_W - 80) / Math.max(1, columns.length - 1));
  const xs = new Map(columns.map((name, index) => [name, TIME_W + 40 + index * step]));
  const arrows: Arrow[] = [];
  let y = HEAD_H + 6;
  let before = messages[0]?.at_us ?? 0;
  messages.forEach((m, index) => {
    const pause = m.at_us - before;
    const gap_us = pause >= GAP_US_MIN ? pause : 0;
    y += ROW_H + (gap_us > 0 ? GAP_H : 0);
    before = m.at_us;
    arrows.push({ y, x1: xs.get(m.from) ?? 0, x2: xs.get(m.to) ?? 0, label: label(m.raw), kind: kind(m.raw), at_us: m.at_us, message: index, gap_us });
  });
  return {
    width: TIME_W + 80 + step * Math.max(0, columns.length - 1),
    height: y + 18,
    columns: columns.map((name) => ({ name, x: xs.get(name) ?? 0 })),
    arrows,
  };
}
