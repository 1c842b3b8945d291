// All requests of a page to the lab go through `request`, and those that are answered with JSON through `call`, whose
// routes, bodies, query parameters and answers are those of the lab's own schema.

import { parseExact } from '../base/exact';
import { at } from '../base/root';
import type { Answers, Bodies, LoginAnswer, Queries } from '../schema/lab';

const API = at('/api/v1');
const TIMEOUT_MS = 30_000;

/** The lab answered, and said no. `code` is its own short word ("project_not_found"). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** No answer of the lab: it is down, the network is, or something in between answered instead. Trying again may help. */
export class UnreachableError extends Error {}

export interface Listeners {
  /** After every request: did the lab answer? */
  reached: (reached: boolean, why?: string) => void; // `why`: what the lab itself says, where it answers
  /** The session is over (401). */
  expired: () => void;
  /** The session is another than this page knew. */
  renewed: (me: LoginAnswer) => void;
}

let listeners: Listeners = { reached: () => {}, expired: () => {}, renewed: (me) => setCsrf(me.csrf) };
let csrf = '';

export function listen(to: Listeners): void {
  listeners = to;
}

export function setCsrf(token: string | null): void {
  csrf = token ?? '';
}

interface Common {
  signal?: AbortSignal | undefined;
  /** A 401 is an answer to this question (am I logged in? is this the password?), not the end of the session. */
  anonymous?: boolean;
}

interface RequestOptions extends Common {
  method?: string;
  body?: unknown;
  accept?: string;
  range?: string;
}

/** Rejects with ApiError, UnreachableError, or AbortError when `signal` was aborted. */
export async function request(path: string, options: RequestOptions = {}): Promise<Response> {
  try {
    return await ask(path, options);
  } catch (e) {
    if (!(e instanceof ApiError) || !(e.code === 'csrf' || (e.status === 401 && !options.anonymous))) throw e;
    // Another tab may have logged in again: then this request had the cookie or the token of the session before.
    await askWhoIsThere();
    return ask(path, options);
  }
}

const COOKIE_MS = 300; // how long an answer may be on its way that brings another tab's new cookie

let asking: Promise<LoginAnswer> | null = null;

/** Asks who is logged in now, and lets the page know; requests that need it at the same time share the question. */
export function askWhoIsThere(): Promise<LoginAnswer> {
  asking ??= askWho().finally(() => (asking = null));
  return asking;
}

async function askWho(): Promise<LoginAnswer> {
  const me = () => call('GET /me', { anonymous: true });
  // A login ends the session before it a moment before the browser has the new cookie: ask again before it counts as over.
  const again = (e: unknown) => (isExpired(e) ? new Promise((resolve) => setTimeout(resolve, COOKIE_MS)).then(me) : Promise.reject(e as Error));
  try {
    const answer = await me().catch(again);
    listeners.renewed(answer);
    return answer;
  } catch (e) {
    if (isExpired(e)) listeners.expired();
    throw e;
  }
}

function isExpired(e: unknown): boolean {
  return e instanceof ApiError && e.status === 401;
}

const SLOW_MAX = 30; // times that a search is asked again which the lab answers bit by bit

/** A search that takes the lab long is asked until it has its answer: each time it goes on where it was. */
async function ask(path: string, options: RequestOptions): Promise<Response> {
  for (let n = 1; ; n++) {
    try {
      return await askOnce(path, options);
    } catch (e) {
      if (!(e instanceof ApiError) || e.code !== 'slow_search' || n === SLOW_MAX) throw e;
    }
  }
}

async function askOnce(path: string, options: RequestOptions): Promise<Response> {
  const { method = 'GET', body, accept = 'application/json', range, signal } = options;
  const headers: Record<string, string> = { Accept: accept };
  if (range) headers.Range = range;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET' && csrf) headers['X-CSRF-Token'] = csrf;
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(API + path, {
      method,
      headers,
      credentials: 'same-origin',
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (e) {
    if (signal?.aborted) throw e;
    listeners.reached(false);
    throw new UnreachableError('The lab does not answer.');
  }
  if (response.ok) {
    listeners.reached(true);
    return response;
  }
  const error = await readError(response);
  // A gateway in front of a lab that is down, or a lab that is starting or stopping.
  const down = response.status === 502 || (response.status === 503 && error.code !== 'slow_search') || response.status === 504;
  listeners.reached(!down, error.code === 'store_unavailable' ? 'The lab cannot reach all of its data.' : undefined);
  if (down) throw new UnreachableError(error.message);
  throw error;
}

async function readError(response: Response): Promise<ApiError> {
  const plain = new ApiError(response.status, '', `The lab answered ${response.status}.`);
  try {
    const { error } = (await response.json()) as { error?: { code?: unknown; message?: unknown } };
    if (typeof error?.message !== 'string') return plain;
    return new ApiError(response.status, typeof error.code === 'string' ? error.code : '', error.message);
  } catch {
    return plain; // not the lab's shape: a proxy's page, for example
  }
}

type Route = keyof Answers;
/** The names in braces of a route: "run_id" of "GET /runs/{run_id}". */
type Names<R extends string> = R extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
/** The part of the options that a route has only where `Value` is something. */
type Part<Name extends string, Value> = [Value] extends [never] ? unknown : { [N in Name]: Value };
type Of<Map, R> = R extends keyof Map ? Map[R] : never;
/** Whole numbers beyond ±2^53 are given as bigint. */
type Exact<Query> = { [N in keyof Query]: Query[N] | (number extends Query[N] ? bigint : never) };

export type CallOptions<R extends Route> = Common & {
  /** Whole numbers beyond ±2^53 become bigint: for answers that hold values of scripts. */
  exact?: boolean;
  /** The next call that asks just this takes the answer. For what a page will ask as soon as it is there. */
  ahead?: boolean;
} & Part<'path', [Names<R>] extends [never] ? never : Record<Names<R>, string>> &
  Part<'query', Exact<Of<Queries, R>>> &
  Part<'body', Of<Bodies, R>>;

/** Rejects as `request` does. */
export function call<R extends Route>(route: R, options: CallOptions<R>): Promise<Answers[R]> {
  const { path = {}, query = {}, body, exact = false, ahead = false, ...common } = options as AnyOptions;
  const [method, template] = route.split(' ') as [string, string];
  const filled = template.replace(/{(\w+)}/g, (_, name: string) => encodeURIComponent(path[name]!));
  const address = filled + search(query);
  const ask = async () => {
    const response = await request(address, { ...common, method, ...(body === undefined ? {} : { body }) });
    return (exact ? parseExact(await response.text()) : await response.json()) as Answers[R];
  };
  if (ahead) return keepAhead(address, ask());
  const early = method === 'GET' ? takeAhead(address) : undefined;
  return early ? (early as Promise<Answers[R]>).catch(ask) : ask(); // ask again: then an error reaches those who listen for it by now
}

const AHEAD_MS = 10_000; // what nobody has taken by then is out of date

/** Answers that are asked for already, by address. Each is taken once. */
const begun = new Map<string, Promise<unknown>>();

function keepAhead<T>(address: string, answer: Promise<T>): Promise<T> {
  begun.set(address, answer);
  answer.catch(() => {}); // whoever takes the answer gets the error, too
  setTimeout(() => begun.get(address) === answer && begun.delete(address), AHEAD_MS);
  return answer;
}

function takeAhead(address: string): Promise<unknown> | undefined {
  const answer = begun.get(address);
  begun.delete(address);
  return answer;
}

/** What `call` itself sees of its options. */
interface AnyOptions extends Common {
  path?: Record<string, string>;
  query?: object;
  body?: unknown;
  exact?: boolean;
  ahead?: boolean;
}

/** "?a=1&b=2&b=3"; what is null, undefined or "" is left out. */
function search(query: object): string {
  const used = Object.entries(query).flatMap(([name, value]: [string, unknown]) =>
    (Array.isArray(value) ? value : [value])
      .filter((v) => v !== null && v !== undefined && v !== '')
      .map((v): [string, string] => [name, String(v)]),
  );
  return used.length ? `?${new URLSearchParams(used).toString()}` : '';
}
