/** The lists that many screens choose from. */
import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import { api, body, type Schemas } from './http';

export type Carrier = Schemas['Carrier'];
export type Account = Schemas['Account'];
export type IngressTrunk = Schemas['IngressTrunk'];
export type EgressTrunk = Schemas['EgressTrunk'];
export type Deck = Schemas['Deck'];
export type Plan = Schemas['Plan'];
export type TrunkGroup = Schemas['TrunkGroup'];

/** Objects of one kind that a page holds at most. */
const OBJECTS_MAX = 20_000;

interface Part<T> {
  data: T[];
  next_cursor?: string | null;
}

/** All parts of a list. */
export async function whole<T>(part: (query: { limit: number; cursor?: string }) => Promise<Part<T>>): Promise<T[]> {
  const rows: T[] = [];
  let cursor: string | undefined;
  do {
    const { data, next_cursor } = await part({ limit: 1000, cursor });
    rows.push(...data);
    cursor = next_cursor ?? undefined;
  } while (cursor !== undefined && rows.length < OBJECTS_MAX);
  return rows;
}

type Rows<T> = UseQueryResult<T[]>;

/** Balances move: they are asked for every five seconds, less often where there are very many. */
const BALANCES_MS = 5_000;

/** All carriers. */
export function useCarriers(): Rows<Carrier> {
  return useQuery({ queryKey: ['carriers'], queryFn: () => whole((query) => body(api.GET('/api/v1/carriers', { params: { query } }))) });
}

/** All accounts. */
export function useAccounts(): Rows<Account> {
  return useQuery({ queryKey: ['accounts'], queryFn: () => whole((query) => body(api.GET('/api/v1/accounts', { params: { query } }))), refetchInterval: ({ state }) => BALANCES_MS * Math.ceil(((state.data?.length ?? 0) + 1) / 1000) });
}

/** All ingress trunks. */
export function useIngressTrunks(): Rows<IngressTrunk> {
  return useQuery({ queryKey: ['ingress-trunks'], queryFn: () => whole((query) => body(api.GET('/api/v1/ingress-trunks', { params: { query } }))) });
}

/** All egress trunks. */
export function useEgressTrunks(): Rows<EgressTrunk> {
  return useQuery({ queryKey: ['egress-trunks'], queryFn: () => whole((query) => body(api.GET('/api/v1/egress-trunks', { params: { query } }))) });
}

/** All decks. */
export function useDecks(): Rows<Deck> {
  return useQuery({ queryKey: ['decks'], queryFn: () => whole((query) => body(api.GET('/api/v1/decks', { params: { query } }))) });
}

/** All plans. */
export function usePlans(): Rows<Plan> {
  return useQuery({ queryKey: ['plans'], queryFn: () => whole((query) => body(api.GET('/api/v1/plans', { params: { query } }))) });
}

/** All trunk groups. */
export function useTrunkGroups(): Rows<TrunkGroup> {
  return useQuery({ queryKey: ['trunk-groups'], queryFn: () => whole((query) => body(api.GET('/api/v1/trunk-groups', { params: { query } }))) });
}

/** Rows as choices of a form: id and code. */
export function choices(rows: { id: string; code: string }[] | undefined): { value: string; text: string }[] {
  return (rows ?? []).map((row) => ({ value: row.id, text: row.code }));
}
