// One door to the lab: every request of the page goes through `request`.

import { parseExact } from '../base/exact';
import { at } from '../base/root';
import type { ApiKey, Capture, Change, Invite, KeyInfo, LogPage, Me, Page, Project, Run, RunDetail, User } from './types';

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
  reached: (reached: boolean) => void;
  /** The session is over (401). */
  expired: () => void;
}

let listeners: Listeners = { reached: () => {}, expired: () => {} };
let csrf = '';

export function listen(to: Listeners): void {
  listeners = to;
}

export function setCsrf(token: string | null): void {
  csrf = token ?? '';
}

interface Options {
  method?: string;
  body?: unknown;
  accept?: string;
  range?: string;
  signal?: AbortSignal | undefined;
  /** A 401 is an answer to this question (am I logged in? is this the password?), not the end of the session. */
  anonymous?: boolean;
}

/** Rejects with ApiError, UnreachableError, or AbortError when `signal` was aborted. */
export async function request(path: string, options: Options = {}): Promise<Response> {
  try {
    return await ask(path, options);
  } catch (e) {
    if (!(e instanceof ApiError) || e.code !== 'csrf') throw e;
    // Another tab logged in anew: the cookie is a new session's, this page's token still the old one's.
    setCsrf((await api.me()).csrf);
    return ask(path, options);
  }
}

async function ask(path: string, options: Options): Promise<Response> {
  const { method = 'GET', body, accept = 'application/json', range, signal, anonymous = false } = options;
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
  const down = response.status === 502 || response.status === 503 || response.status === 504;
  listeners.reached(!down);
  if (down) throw new UnreachableError(error.message);
  if (response.status === 401 && !anonymous) listeners.expired();
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

async function json<T>(path: string, options?: Options): Promise<T> {
  return (await (await request(path, options)).json()) as T;
}

/** For answers that hold values of scripts. */
async function exactJson<T>(path: string, options?: Options): Promise<T> {
  return parseExact(await (await request(path, options)).text()) as T;
}

function query(params: Record<string, string | number | null | undefined>): string {
  const used = Object.entries(params).filter(([, v]) => v !== null && v !== undefined && v !== '');
  return used.length ? `?${new URLSearchParams(used.map(([k, v]) => [k, String(v)])).toString()}` : '';
}

const id = encodeURIComponent;

export const api = {
  me: () => json<Me>('/me', { anonymous: true }),
  login: (username: string, password: string) =>
    json<Me>('/login', { method: 'POST', body: { username, password }, anonymous: true }),
  logout: async () => void (await request('/logout', { method: 'POST', body: {}, anonymous: true })),
  healthy: async () => void (await request('/handshake', { anonymous: true })),
  projects: (after: string | null, signal?: AbortSignal) =>
    json<Page<Project>>(`/projects${query({ after, limit: 200 })}`, { signal }),
  project: (ref: string, signal?: AbortSignal) => json<Project>(`/projects/${id(ref)}`, { signal }),
  runs: (
    params: { project: string; filter: string; state: string; sort: string; after: string | null; limit: number },
    signal?: AbortSignal,
  ) => json<Page<Run>>(`/runs${query(params)}`, { signal }),
  run: (ref: string, signal?: AbortSignal) => exactJson<RunDetail>(`/runs/${id(ref)}`, { signal }),
  deleteRun: async (run: string) => void (await request(`/runs/${id(run)}`, { method: 'DELETE' })),
  restoreRun: async (run: string) => void (await request(`/runs/${id(run)}/restore`, { method: 'POST', body: {} })),
  capture: (run: string, signal?: AbortSignal) => json<Capture>(`/runs/${id(run)}/capture`, { signal }),
  /** What one attempt told itself, of its config or meta. */
  told: async (run: string, what: 'config' | 'meta', attempt: number, signal?: AbortSignal) =>
    (await exactJson<Record<string, unknown>>(`/runs/${id(run)}/${what}${query({ attempt })}`, { signal }))[what],
  keys: (run: string, params: { q: string; after: string | null; limit: number }, signal?: AbortSignal) =>
    json<Page<KeyInfo>>(`/runs/${id(run)}/keys${query(params)}`, { signal }),
  logs: (
    run: string,
    params: { newest?: boolean; before?: string; after?: string; level: string; channel: string; limit: number },
    signal?: AbortSignal,
  ) => json<LogPage>(`/runs/${id(run)}/logs${query({ ...params, newest: params.newest ? 'true' : '' })}`, { signal }),
  apiKeys: (signal?: AbortSignal) => json<Page<ApiKey>>('/keys', { signal }),
  createApiKey: (name: string, days: number | null) =>
    json<ApiKey & { key: string }>('/keys', { method: 'POST', body: { name, days } }),
  setPassword: (password: string, current: string) =>
    json<Me>('/me/password', { method: 'PUT', body: { password, current } }),
  logoutEverywhere: async () => void (await request('/logout/everywhere', { method: 'POST', body: {} })),
  acceptInvite: (token: string, username: string, password: string) =>
    json<Me>('/invites/accept', { method: 'POST', body: { token, username, password }, anonymous: true }),
  users: (signal?: AbortSignal) => json<Page<User>>('/users', { signal }),
  addUser: (username: string, password: string, role: string) =>
    json<User>('/users', { method: 'POST', body: { username, password, role } }),
  changeUser: (username: string, change: { role?: string; disabled?: boolean }) =>
    json<User>(`/users/${id(username)}`, { method: 'PATCH', body: change }),
  invites: (signal?: AbortSignal) => json<Page<Invite>>('/invites', { signal }),
  invite: (role: string) => json<Invite & { url: string }>('/invites', { method: 'POST', body: { role } }),
  takeBack: async (invite: string) => void (await request(`/invites/${id(invite)}`, { method: 'DELETE' })),
  audit: (after: string | null, signal?: AbortSignal) => json<Page<Change>>(`/audit${query({ after, limit: 100 })}`, { signal }),
  members: (project: string, signal?: AbortSignal) => json<Page<User>>(`/projects/${id(project)}/members`, { signal }),
  setPrivate: (project: string, hidden: boolean) =>
    json<Project>(`/projects/${id(project)}`, { method: 'PATCH', body: { private: hidden } }),
  setMember: async (project: string, username: string, role: string) =>
    void (await request(`/projects/${id(project)}/members/${id(username)}`, { method: 'PUT', body: { role } })),
  removeMember: async (project: string, username: string) =>
    void (await request(`/projects/${id(project)}/members/${id(username)}`, { method: 'DELETE' })),
  deleteApiKey: async (key: string) => void (await request(`/keys/${id(key)}`, { method: 'DELETE' })),
};
