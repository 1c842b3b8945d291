// All requests of a page to the lab go through `request`; those whose answer is JSON go through `call`, whose routes, bodies,
// query parameters and answers are those of the lab's schema.

import { parseExact } from '../base/exact';
import { at } from '../base/root';
import type { Answers, Bodies, LoginAnswer, Queries } from '../schema/lab';

const API = at('/api/v1');
const TIMEOUT_MS = 30_000;

/** The lab refused a request. `code` is its short word for why ("project_not_found"). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The lab did not answer: it or the network is down, or something in between answered instead. Trying again may help. */
export class UnreachableError extends Error {}

export interface Listeners {
  /** Called after every request: did the lab answer? */
  reached: (reached: boolean, why?: string) => void; // `why`: the lab's own words, if it answered
  /** Called when the session is over (401). */
  expired: () => void;
  /** Called when the session is not the one that this page knew. */
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
  /** A 401 answers this very question (am I logged in? is this the password?), and does not mean that the session is over. */
  anonymous?: boolean;
}

interface RequestOptions extends Common {
  method?: string;
  body?: unknown;
  accept?: string;
  range?: string;
}

/** Send a request. Rejects with ApiError, UnreachableError, or AbortError when `signal` was aborted. */
export async function request(path: string, options: RequestOptions = {}): Promise<Response> {
  try {
    return await ask(path, options);
  } catch (e) {
    if (!(e instanceof ApiError) || !(e.code === 'csrf' || (e.status === 401 && !options.anonymous))) throw e;
    // Another tab may have logged in again. Then this request carried the cookie or the token of the session before.
    await askWhoIsThere();
    return ask(path, options);
  }
}

const COOKIE_MS = 300; // how long the answer with another tab's new cookie may take

let asking: Promise<LoginAnswer> | null = null;

/** Ask who is logged in now, and tell the page. Requests that need the answer at the same time share the question. */
export function askWhoIsThere(): Promise<LoginAnswer> {
  asking ??= askWho().finally(() => (asking = null));
  return asking;
}

async function askWho(): Promise<LoginAnswer> {
  const me = () => call('GET /me', { anonymous: true });
  // A login ends the session before it a moment before the browser has the new cookie. So ask again before the session counts as
  // over.
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

const SLOW_MAX = 30; // how often a search is asked again that the lab answers bit by bit

/** Ask until a slow search is answered. Each time the lab continues where it stopped. */
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
  // The answer comes from a gateway before a lab that is down, or from a lab that is starting or stopping.
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
    return plain; // not in the form of the lab's errors: the page of a proxy, for example
  }
}

type Route = keyof Answers;
/** The names in braces of a route: "run_id" for "GET /runs/{run_id}". */
type Names<R extends string> = R extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
/** The part of the options that a route has only if `Value` is something. */
type Part<Name extends string, Value> = [Value] extends [never] ? unknown : { [N in Name]: Value };
type Of<Map, R> = R extends keyof Map ? Map[R] : never;
/** Query parameters in which whole numbers beyond ±2^53 are bigint. */
type Exact<Query> = { [N in keyof Query]: Query[N] | (number extends Query[N] ? bigint : never) };

export type CallOptions<R extends Route> = Common & {
  /** Whole numbers beyond ±2^53 become bigint. For answers with values of scripts. */
  exact?: boolean;
  /** The next call with the same question takes the answer. For what a page will ask first. */
  ahead?: boolean;
} & Part<'path', [Names<R>] extends [never] ? never : Record<Names<R>, string>> &
  Part<'query', Exact<Of<Queries, R>>> &
  Part<'body', Of<Bodies, R>>;

/** Call a route. Rejects as `request` does. */
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
  return early ? (early as Promise<Answers[R]>).catch(ask) : ask(); // ask again: by now somebody hears of the error
}

const AHEAD_MS = 10_000; // after that an answer that nobody took is out of date

/** Answers that were asked for ahead, by address. Each is taken once. */
const begun = new Map<string, Promise<unknown>>();

function keepAhead<T>(address: string, answer: Promise<T>): Promise<T> {
  begun.set(address, answer);
  answer.catch(() => {}); // whoever takes the answer also gets the error
  setTimeout(() => begun.get(address) === answer && begun.delete(address), AHEAD_MS);
  return answer;
}

function takeAhead(address: string): Promise<unknown> | undefined {
  const answer = begun.get(address);
  begun.delete(address);
  return answer;
}

/** The options that `call` itself reads. */
interface AnyOptions extends Common {
  path?: Record<string, string>;
  query?: object;
  body?: unknown;
  exact?: boolean;
  ahead?: boolean;
}

/** Return "?a=1&b=2&b=3". What is null, undefined or "" is left out. */
function search(query: object): string {
  const used = Object.entries(query).flatMap(([name, value]: [string, unknown]) =>
    (Array.isArray(value) ? value : [value])
      .filter((v) => v !== null && v !== undefined && v !== '')
      .map((v): [string, string] => [name, String(v)]),
  );
  return used.length ? `?${new URLSearchParams(used).toString()}` : '';
}
