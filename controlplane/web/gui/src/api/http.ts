/** Asks the API. Types come from openapi.json; a refusal becomes one error class that every screen can show. */
import openapi from 'openapi-fetch';
import type { components, paths } from './schema';

/** Every shape that the API names. */
export type Schemas = components['schemas'];

/** The API said no, and why (RFC 9457). */
export class Refused extends Error {
  readonly title: string;
  readonly detail: string;
  readonly status: number;
  readonly code: string;
  readonly fields: { pointer: string; detail: string }[];
  readonly requestId: string;

  constructor(status: number, body: unknown) {
    const problem = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
    const text = (key: string, otherwise: string) => (typeof problem[key] === 'string' ? (problem[key] as string) : otherwise);
    super(text('detail', text('title', `HTTP status ${status}`)));
    this.status = status;
    this.title = text('title', `Refused with status ${status}`);
    this.detail = text('detail', '');
    this.code = text('code', '');
    this.requestId = text('request_id', '');
    const errors = Array.isArray(problem['errors']) ? (problem['errors'] as Record<string, unknown>[]) : [];
    this.fields = errors.map((error) => ({ pointer: String(error['pointer'] ?? ''), detail: String(error['message'] ?? '') }));
  }
}

/** Was the password right, and a code of the second factor missing? */
export function isCodeWanted(reason: unknown): boolean {
  return reason instanceof Refused && reason.code === 'second_factor_wanted';
}

/** Told when the API says that nobody is logged in any more. */
let onLoggedOut: () => void = () => {};

/** Sets who is told that the login has ended. */
export function whenLoggedOut(tell: () => void): void {
  onLoggedOut = tell;
}

/** The API. Paths, parameters, bodies and answers are checked against openapi.json by the compiler. */
export const api = openapi<paths>({ credentials: 'same-origin' });

/** Proves to the API that its own page sent a change; it came with the login. */
let csrf = '';

/** Counts logins: a refusal of what was asked before the present one says nothing of it. */
let logins = 0;

/** Sets what proves it, at each login. */
export function setCsrf(token: string): void {
  csrf = token;
  logins += 1;
}

api.use({
  onRequest({ request }) {
    if (request.method !== 'GET' && csrf !== '') request.headers.set('x-csrf-token', csrf);
    return request;
  },
});

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** A refusal of what was asked during this login. */
function refusal(status: number, error: unknown, during: number): Refused {
  if (status === 401 && during === logins) onLoggedOut();
  return new Refused(status, error);
}

/** The answer's body, or the refusal as an exception. */
export async function body<T>(asked: Promise<Answer<T>>): Promise<T> {
  const during = logins;
  const { data, error, response } = await asked;
  if (response.ok) return data as T;
  throw refusal(response.status, error, during);
}

/** The answer's body and its ETag, which a change of the object must carry. */
export async function tagged<T>(asked: Promise<Answer<T>>): Promise<{ value: T; etag: string }> {
  const during = logins;
  const { data, error, response } = await asked;
  if (response.ok) return { value: data as T, etag: response.headers.get('etag') ?? '' };
  throw refusal(response.status, error, during);
}
