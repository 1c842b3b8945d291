// What pages ask the lab and tell it: accounts, projects, runs and logs.

import type { Role } from '../base/roles';
import type { Shelf } from '../base/route';
import type { Bodies, Queries } from '../schema/lab';
import { call } from './http';
import { allViewsQuery } from './rows';

type Signal = AbortSignal | undefined;

export const api = {
  steps: (run: string, rank: number | null, attempt: number | null, signal?: Signal) => call('GET /runs/{run_id}/steps', { path: { run_id: run }, query: { rank, attempt }, signal }),
  me: () => call('GET /me', { anonymous: true }),
  login: (username: string, password: string) => call('POST /login', { body: { username, password }, anonymous: true }),
  logout: () => call('POST /logout', { anonymous: true }),
  logoutEverywhere: () => call('POST /logout/everywhere', {}),
  healthy: () => call('GET /handshake', { anonymous: true }),
  setPassword: (password: string, current: string) => call('PUT /me/password', { body: { password, current } }),
  commandLogin: (code: string, signal?: Signal) => call('GET /command-logins/{code}', { path: { code }, signal }),
  settleCommandLogin: (code: string, allow: boolean) => call('PUT /command-logins/{code}', { path: { code }, body: { allow } }),
  acceptInvite: (token: string, username: string, password: string) =>
    call('POST /invites/accept', { body: { token, username, password }, anonymous: true }),

  apiKeys: (signal?: Signal) => call('GET /keys', { signal }),
  createApiKey: (name: string, days: number | null, scope: 'all' | 'metrics') => call('POST /keys', { body: { name, days, scope } }),
  deleteApiKey: (key: string) => call('DELETE /keys/{key_id}', { path: { key_id: key } }),

  users: (signal?: Signal) => call('GET /users', { signal }),
  changeUser: (username: string, change: Bodies['PATCH /users/{username}']) => call('PATCH /users/{username}', { path: { username }, body: change }),
  addService: (username: string, role: Role) => call('POST /users', { body: { username, role, service: true } }),
  deleteUser: (username: string) => call('DELETE /users/{username}', { path: { username } }),
  handOver: (username: string, to: string, projects: boolean) =>
    call('POST /users/{username}/hand-over', { path: { username }, body: { to, projects } }),
  linkSso: (username: string, subject: string) => call('PUT /users/{username}/sso', { path: { username }, body: { subject } }),
  unlinkSso: (username: string) => call('DELETE /users/{username}/sso', { path: { username } }),
  keysOf: (username: string, signal?: Signal) => call('GET /users/{username}/keys', { path: { username }, signal }),
  makeKeyOf: (username: string, name: string, days: number | null) =>
    call('POST /users/{username}/keys', { path: { username }, body: { name, days } }),
  revokeKeyOf: (username: string, key: string) => call('DELETE /users/{username}/keys/{key_id}', { path: { username, key_id: key } }),
  invites: (signal?: Signal) => call('GET /invites', { signal }),
  invite: (role: Role) => call('POST /invites', { body: { role } }),
  takeBack: (invite: string) => call('DELETE /invites/{invite_id}', { path: { invite_id: invite } }),
  labState: (signal?: Signal) => call('GET /admin/status', { signal }),
  audit: (after: string | null, signal?: Signal) => call('GET /audit', { query: { after, limit: 100 }, signal }),

  projects: (show: Shelf, after: string | null, signal?: Signal) =>
    call('GET /projects', { query: { after, limit: 200, archived: show === 'archived', deleted: show === 'deleted' }, signal }),
  changeProject: (ref: string, change: Bodies['PATCH /projects/{ref}']) => call('PATCH /projects/{ref}', { path: { ref }, body: change }),
  deleteProject: (ref: string) => call('DELETE /projects/{ref}', { path: { ref } }),
  restoreProject: (ref: string) => call('POST /projects/{ref}/restore', { path: { ref } }),
  project: (ref: string, signal?: Signal) => call('GET /projects/{ref}', { path: { ref }, signal }),
  setPrivate: (ref: string, hidden: boolean) => call('PATCH /projects/{ref}', { path: { ref }, body: { private: hidden } }),
  setObjective: (ref: string, objective: Bodies['PUT /projects/{ref}/objective']) => call('PUT /projects/{ref}/objective', { path: { ref }, body: objective }),
  removeObjective: (ref: string) => call('DELETE /projects/{ref}/objective', { path: { ref } }),
  views: (ref: string, after: string | null, signal?: Signal) => call('GET /projects/{ref}/views', { path: { ref }, query: allViewsQuery(after), signal }),
  makeView: (ref: string, body: Bodies['POST /projects/{ref}/views']) => call('POST /projects/{ref}/views', { path: { ref }, body }),
  changeView: (ref: string, view: string, body: Bodies['PUT /projects/{ref}/views/{view_id}']) => call('PUT /projects/{ref}/views/{view_id}', { path: { ref, view_id: view }, body }),
  deleteView: (ref: string, view: string, version: number) => call('DELETE /projects/{ref}/views/{view_id}', { path: { ref, view_id: view }, query: { version } }),
  members: (ref: string, signal?: Signal) => call('GET /projects/{ref}/members', { path: { ref }, signal }),
  setMember: (ref: string, username: string, role: Role) =>
    call('PUT /projects/{ref}/members/{username}', { path: { ref, username }, body: { role } }),
  removeMember: (ref: string, username: string) => call('DELETE /projects/{ref}/members/{username}', { path: { ref, username } }),

  table: (query: Queries['GET /table'], signal?: Signal) => call('GET /table', { query, signal }),
  tableGroups: (query: Queries['GET /table/groups'], signal?: Signal) => call('GET /table/groups', { query, signal }),
  suggest: (query: Queries['GET /table/suggest'], signal?: Signal) => call('GET /table/suggest', { query, signal }),
  tableColumns: (query: Queries['GET /table/columns'], signal?: Signal) => call('GET /table/columns', { query, signal }),
  run: (ref: string, signal?: Signal) => call('GET /runs/{run_id}', { path: { run_id: ref }, signal, exact: true }),
  differences: (query: Queries['GET /runs/differences'], signal?: Signal) => call('GET /runs/differences', { query, signal }),
  act: (actions: Bodies['POST /runs/actions']['actions']) => call('POST /runs/actions', { body: { actions } }),
  deleteRun: (run: string) => call('DELETE /runs/{run_id}', { path: { run_id: run } }),
  restoreRun: (run: string) => call('POST /runs/{run_id}/restore', { path: { run_id: run } }),
  capture: (run: string, signal?: Signal) => call('GET /runs/{run_id}/capture', { path: { run_id: run }, signal }),
  /** Load the config or the meta that one attempt reported. */
  attemptConfig: async (run: string, attempt: number, signal?: Signal) =>
    (await call('GET /runs/{run_id}/config', { path: { run_id: run }, query: { attempt }, signal, exact: true })).config,
  attemptMeta: async (run: string, attempt: number, signal?: Signal) =>
    (await call('GET /runs/{run_id}/meta', { path: { run_id: run }, query: { attempt }, signal, exact: true })).meta,
  axes: (run: string[], signal?: Signal) => call('GET /series/axes', { query: { run }, signal }),
  keys: (run: string, query: Queries['GET /runs/{run_id}/keys'], signal?: Signal) =>
    call('GET /runs/{run_id}/keys', { path: { run_id: run }, query, signal }),
  logs: (run: string, query: Queries['GET /runs/{run_id}/logs'], signal?: Signal) =>
    call('GET /runs/{run_id}/logs', { path: { run_id: run }, query, signal }),
};
