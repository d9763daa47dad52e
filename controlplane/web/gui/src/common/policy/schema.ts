/** The shapes of signalling policies as the API describes them: which fields there are, where they mean something, and how they are shown. */
import shapes from '../../api/policy.json';
import type { Schemas } from '../../api/http';

/** Whose policy it is. */
export type Side = 'ingress' | 'egress' | 'plan' | 'carrier';

/** What a carrier says for its trunks. */
const OF_CARRIER = ['capture', 'recording', 'prices'];

/** A policy as the API takes it; numbers that are being typed may still be text. */
export type Policy = Schemas['Policy'];

/** A JSON Schema, as far as the API uses it. */
interface Shape {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: string[];
  items?: Shape;
  properties?: Record<string, Shape>;
  oneOf?: Shape[];
  $ref?: string;
}

/** One field of a policy or of a part of it. */
export interface Setting {
  /** `session_timer.expires_s`. */
  path: string;
  /** `expires_s`. */
  name: string;
  label: string;
  help: string;
  /** What holds when nothing is said. */
  placeholder: string;
  kind: 'text' | 'number' | 'password' | 'choice' | 'tick' | 'words' | 'lines' | 'rows' | 'part' | 'optional';
  start: unknown;
  /** Choices with what each means. */
  choices: { value: string; text: string; help: string }[];
  /** The words are numbers. */
  numeric: boolean;
  /** The fields of a part, or of each row. */
  inner: Setting[];
}

/** The sections of the form: top-level fields in the order of showing. */
export const GROUPS: { title: string; fields: string[] }[] = [
  { title: 'Transport and target', fields: ['transport', 'listener', 'host', 'subscriber', 'redirects_max', 'nat', 'nodes', 'own_terminators', 'tags', 'cps_window_s'] },
  { title: 'Timers', fields: ['answer_timeout_s', 'ringing_after_s', 'session_timer'] },
  { title: 'Media and codecs', fields: ['codecs', 'media', 'early_media', 'reliable'] },
  { title: 'Captures', fields: ['capture'] },
  { title: 'Recordings', fields: ['recording'] },
  { title: 'Prices', fields: ['prices'] },
  { title: 'Who calls', fields: ['identity'] },
  { title: 'Signed identities', fields: ['stir'] },
  { title: 'Numbers', fields: ['numbers'] },
  { title: 'Ported numbers', fields: ['portability'] },
  { title: 'Rewrites', fields: ['rewrite'] },
  { title: 'Headers', fields: ['headers'] },
  { title: 'Answers', fields: ['answers'] },
  { title: 'Digest and registration', fields: ['digest', 'registration'] },
  { title: 'Probes', fields: ['probe'] },
  { title: 'Quality', fields: ['quality', 'floors', 'throttle'] },
];

/** Kept for programs: people give the password, or the key as it stands in its file. */
const HIDDEN = ['ha1_md5', 'ha1_sha256', 'private_number'];
const SECRET = ['password', 'private_key'];
const CAPITALS: Record<string, string> = { cps: 'CPS', nat: 'NAT', uri: 'URI', id: 'ID', udp: 'UDP', tcp: 'TCP', tls: 'TLS', asr: 'ASR', acd: 'ACD' };
const all = shapes as unknown as Record<string, Shape>;

/** `answer_timeout_s` → `Answer timeout, seconds`. */
export function label(name: string): string {
  const words = name.replace(/_s$/, ', seconds').replace(/_max$/, ' at most').split('_').map((word) => CAPITALS[word] ?? word).join(' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What a description says for one side; undefined if the field means nothing there. */
export function told(description: string, side: Side): string | undefined {
  const plain = description.replace(/\s*\n\s*(?!-)/g, ' ');
  const [, sides = '', rest = ''] = /^(All|Both|Egress and plan|Ingress and carrier): (.*)$/s.exec(plain) ?? [];
  if (sides === 'Ingress and carrier') return side === 'ingress' || side === 'carrier' ? sentence(rest) : undefined;
  if (sides !== '') return sides === 'All' || (side === 'plan' ? sides !== 'Both' : sides === 'Both' || side === 'egress') ? sentence(rest) : undefined;
  const parts = plain.split(/(?=(?:Ingress|Egress|Plan): )/);
  const marked = parts.filter((part) => /^(Ingress|Egress|Plan): /.test(part));
  const mine = parts.filter((part) => !marked.includes(part) || part.toLowerCase().startsWith(side));
  if (marked.length > 0 && !mine.some((part) => marked.includes(part))) return undefined;
  return mine.map((part) => sentence(part.replace(/^(Ingress|Egress|Plan): /, '').trim())).join(' ');
}

const sentence = (text: string) => (text.charAt(0).toUpperCase() + text.slice(1)).replaceAll('`', '');

/** What a description says of 0 and of nothing: `0 for 1,800` → `1,800`. */
export function unsaid(description: string): string {
  const [, said = ''] = /\b(?:0|empty) (?:for |means )?(.*?)(?:[.;,](?!\d)|\(|$)/s.exec(description) ?? [];
  return said.replace(/\s+/g, ' ').trim();
}

function resolved(shape: Shape): { shape: Shape; description: string; nullable: boolean } {
  const reference = shape.$ref ? shape : shape.oneOf?.find((part) => part.$ref);
  const name = reference?.$ref?.split('/').pop();
  const description = reference?.description ?? shape.description ?? '';
  return { shape: (name !== undefined && all[name]) || shape, description, nullable: shape.oneOf?.some((part) => part.type === 'null') ?? false };
}

function kindOf(name: string, shape: Shape, nullable: boolean): Setting['kind'] {
  if (shape.enum) return 'choice';
  if (shape.type === 'boolean') return 'tick';
  if (shape.type === 'integer') return 'number';
  if (shape.type === 'string') return SECRET.includes(name) ? 'password' : 'text';
  if (shape.type === 'array') {
    const item = resolved(shape.items ?? {}).shape;
    if (!item.properties) return 'words';
    return Object.keys(item.properties).sort().join() === 'kind,value' ? 'lines' : 'rows';
  }
  return nullable ? 'optional' : 'part';
}

function setting(name: string, given: Shape, path: string, side: Side): Setting | undefined {
  const { shape, description, nullable } = resolved(given);
  const help = told(description, side);
  if (help === undefined || HIDDEN.includes(name)) return undefined;
  const kind = kindOf(name, shape, nullable);
  const [, ...meanings] = (shape.description ?? '').split('\n- ');
  const choices = (shape.enum ?? []).map((value, index) => ({ value, text: CAPITALS[value] ?? value.replaceAll('_', ' '), help: told(meanings[index] ?? '', side) ?? '' }));
  const item = shape.items ? resolved(shape.items).shape : shape;
  const inner = fields(item, kind === 'part' || kind === 'optional' ? path : '', side);
  return { path, name, label: label(name), help, placeholder: unsaid(description), kind, start: given.default, choices, numeric: item.type === 'integer', inner };
}

/** The API's names come in order of the alphabet; people decide the kind of a thing before its figures. */
const ORDER: Setting['kind'][] = ['choice', 'words', 'lines', 'text', 'number', 'password', 'tick', 'rows', 'part', 'optional'];

function fields(shape: Shape, path: string, side: Side): Setting[] {
  const made = Object.entries(shape.properties ?? {}).map(([name, inner]) => setting(name, inner, path === '' ? name : `${path}.${name}`, side));
  return made.filter((field) => field !== undefined).sort((one, other) => ORDER.indexOf(one.kind) - ORDER.indexOf(other.kind));
}

/** The sections that mean something on a side. */
export function sections(side: Side): { title: string; settings: Setting[] }[] {
  const known = fields(all['Policy'] ?? {}, '', side).filter(({ name }) => side !== 'carrier' || OF_CARRIER.includes(name));
  return GROUPS.map(({ title, fields: names }) => ({ title, settings: names.flatMap((name) => known.filter((field) => field.name === name)) })).filter(({ settings }) => settings.length > 0);
}

/** The fields of a plan's or a route's rules. */
export function ruleSettings(shape: 'PlanRules' | 'RouteRules'): Setting[] {
  return fields(all[shape] ?? {}, '', 'plan');
}

/** The names of all top-level fields. */
export const NAMES = Object.keys(all['Policy']?.properties ?? {});
