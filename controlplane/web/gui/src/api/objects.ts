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

const whole = { params: { query: { limit: 1000 } } };

type Rows<T> = UseQueryResult<T[]>;

/** All carriers, up to 1,000. */
export function useCarriers(): Rows<Carrier> {
  return useQuery({ queryKey: ['carriers'], queryFn: async () => (await body(api.GET('/api/v1/carriers', whole))).data });
}

/** All accounts, up to 1,000. Balances move: they are asked for every five seconds. */
export function useAccounts(): Rows<Account> {
  return useQuery({ queryKey: ['accounts'], queryFn: async () => (await body(api.GET('/api/v1/accounts', whole))).data, refetchInterval: 5_000 });
}

/** All ingress trunks, up to 1,000. */
export function useIngressTrunks(): Rows<IngressTrunk> {
  return useQuery({ queryKey: ['ingress-trunks'], queryFn: async () => (await body(api.GET('/api/v1/ingress-trunks', whole))).data });
}

/** All egress trunks, up to 1,000. */
export function useEgressTrunks(): Rows<EgressTrunk> {
  return useQuery({ queryKey: ['egress-trunks'], queryFn: async () => (await body(api.GET('/api/v1/egress-trunks', whole))).data });
}

/** All decks, up to 1,000. */
export function useDecks(): Rows<Deck> {
  return useQuery({ queryKey: ['decks'], queryFn: async () => (await body(api.GET('/api/v1/decks', whole))).data });
}

/** All plans, up to 1,000. */
export function usePlans(): Rows<Plan> {
  return useQuery({ queryKey: ['plans'], queryFn: async () => (await body(api.GET('/api/v1/plans', whole))).data });
}

/** All trunk groups, up to 1,000. */
export function useTrunkGroups(): Rows<TrunkGroup> {
  return useQuery({ queryKey: ['trunk-groups'], queryFn: async () => (await body(api.GET('/api/v1/trunk-groups', whole))).data });
}

/** Rows as choices of a form: id and code. */
export function choices(rows: { id: string; code: string }[] | undefined): { value: string; text: string }[] {
  return (rows ?? []).map((row) => ({ value: row.id, text: row.code }));
}
