/** What the user may do: nobody is shown a button that would be refused. */
import type { ReactNode } from 'react';
import { useQuery } from '@tanstack/react-query';
import { api, body, type Schemas } from '../api/http';

export type Scope = Schemas['Scope'];

/** Is one of these scopes the caller's? An administrator has all. */
export function allows(scopes: readonly Scope[] | undefined, ...wanted: Scope[]): boolean {
  return scopes !== undefined && (scopes.includes('admin') || wanted.some((scope) => scopes.includes(scope)));
}

/** Asks it of the present user; no until that is known. */
export function useMay(): (...wanted: Scope[]) => boolean {
  const me = useQuery({ queryKey: ['me'], queryFn: () => body(api.GET('/api/v1/me')), staleTime: 60_000 });
  return (...wanted) => allows(me.data?.scopes, ...wanted);
}

/** What stands inside is for those who may do one of these. */
export function May({ to, children }: { to: Scope | Scope[]; children: ReactNode }) {
  const may = useMay();
  return may(...[to].flat()) ? children : null;
}
