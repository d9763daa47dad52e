/** Who is logged in: asked once at the start, by a one-time token in the address, or by user and password. */
import { useCallback, useEffect, useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { api, body, isCodeWanted, Refused, setCsrf, whenLoggedOut, type Schemas } from '../../api/http';

type Me = Schemas['Me'];

/** How the login stands, and what can be done about it. */
export interface Login {
  state: 'asking' | 'out' | 'in';
  user: string;
  /** The role must have a second factor, and there is none: nothing else is open. */
  mustProve: boolean;
  hasPassword: boolean;
  /** A carrier's user, who has pages of its own. */
  isCarrier: boolean;
  /** Asks again who is logged in. */
  again: () => Promise<void>;
  /** The login has ended by itself, while its user was at work. */
  ended: boolean;
  /** How often somebody logged in. */
  times: number;
  /** Why the last try failed. */
  error: unknown;
  /** User and password were right, and a code is wanted beside them. */
  wantsCode: boolean;
  /** Logs in; true if it worked. */
  enter: (user: string, password: string, code: string) => Promise<boolean>;
  leave: () => void;
}

/** Takes the one-time token out of the address, so that neither the history nor a shared link keeps it. */
export function takeToken(): string | null {
  const here = new URL(window.location.href);
  const token = here.searchParams.get('t');
  if (token === null) return null;
  here.searchParams.delete('t');
  window.history.replaceState(null, '', here.pathname + here.search);
  return token;
}

/** Only the first call finds the token, also when a component mounts twice. */
const token = takeToken();
let first: Promise<Me | null> | undefined;

async function start(): Promise<Me | null> {
  if (token !== null) return body(api.POST('/api/v1/sessions', { body: { token } }));
  try {
    return await body(api.GET('/api/v1/me'));
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return null;
    throw error;
  }
}

/** The login of this browser. */
export function useLogin(): Login {
  const queries = useQueryClient();
  const [me, setMe] = useState<Me | null | undefined>(undefined);
  const [error, setError] = useState<unknown>(null);
  const [wantsCode, setWantsCode] = useState(false);
  const [ended, setEnded] = useState(false);
  const [times, setTimes] = useState(0);

  const accept = useCallback((next: Me | null) => {
    setCsrf(next?.csrf_token ?? '');
    setMe(next);
    setEnded(false);
    if (next) setTimes((before) => before + 1);
  }, []);

  useEffect(() => {
    // What is on the screen stays where it is: something may be typed into it.
    whenLoggedOut(() => {
      setMe((before) => before ?? null);
      setEnded(true);
    });
    first ??= start();
    first.then(accept, (reason: unknown) => {
      setError(reason);
      accept(null);
    });
  }, [accept]);

  const again = async () => accept(await body(api.GET('/api/v1/me')));

  const enter = async (user: string, password: string, code: string) => {
    setError(null);
    try {
      const next = await body(api.POST('/api/v1/sessions', { body: { user, password, code: code === '' ? null : code } }));
      if (next.name !== me?.name) queries.clear();
      setWantsCode(false);
      accept(next);
      // A form holds what it read.
      await queries.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'change' });
      return true;
    } catch (reason) {
      const wanted = isCodeWanted(reason);
      setWantsCode((before) => before || wanted);
      // Asking for the code is no mistake of whoever logs in.
      setError(wanted ? null : reason);
      return false;
    }
  };

  const leave = () => {
    void api.DELETE('/api/v1/sessions').finally(() => {
      queries.clear();
      accept(null);
    });
  };

  const state = me === undefined ? 'asking' : me === null ? 'out' : 'in';
  const mustProve = me?.must_have_second_factor ?? false;
  return { state, user: me?.name ?? '', mustProve, hasPassword: me?.has_password ?? false, isCarrier: me?.role === 'carrier', again, ended, times, error, wantsCode, enter, leave };
}
