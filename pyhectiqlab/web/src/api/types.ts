// The lab's answers, as its HTTP API describes them. Times are seconds since 1970 UTC, null when absent.

import type { Retention } from '../base/retention';

export interface User {
  id: string;
  username: string;
  role?: string;
  disabled?: boolean;
}

export const ROLES = ['viewer', 'member', 'admin'] as const;

export interface Invite {
  id: string;
  role: string;
  created: number;
  created_by: string;
  expires: number;
}

/** An entry of the audit log. */
export interface Change {
  at: number;
  who: string;
  via: string;
  address: string;
  action: string;
  subject: string;
  detail: string;
}

export interface Me {
  user: User;
  csrf: string | null;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface Project {
  id: string;
  name: string;
  created: number | null;
  runs: number;
  last_activity: number | null;
  private?: boolean;
  /** What the reader is in it. */
  role?: string;
  /** Of one project alone: what its files take, and may take (null: anything). */
  file_bytes?: number;
  quota?: number | null;
  retention?: Retention;
}

/** NaN and the infinities travel as strings. */
export type JsonNumber = number | 'NaN' | 'Infinity' | '-Infinity';

export interface Tag {
  name: string;
  color: string | null;
}

export interface Run {
  id: string;
  name: string;
  project: { id: string; name: string };
  author: string;
  state: string;
  /** The rank whose state it is; null where it is that of all. */
  state_rank: number | null;
  state_why: string;
  created: number;
  started: number | null;
  ended: number | null;
  duration: number | null;
  attempt: number;
  ranks: number;
  last: Record<string, JsonNumber>;
  note: string | null;
  tags: Tag[];
  /** There are more of them: a list has the first few. */
  tags_cut: boolean;
  points: number;
  url: string;
}

export interface StateChange {
  at: number;
  state: string;
  attempt: number;
  rank: number | null;
  who: string;
  why: string;
}

export interface Session {
  session: string;
  rank: number;
  attempt: number;
  said: string;
  lost: boolean;
  job: string;
  host: string | null;
  pid: number | null;
  started: number | null;
  last_seen: number | null;
  /** Events that its uploader had and the lab had not, at its last heartbeat. */
  backlog: number;
  ended: number | null;
  state: string | null;
  cause: string | null;
  exit_code: number | null;
  signal: number | null;
  detail: string | null;
}

export type Fields = Record<string, unknown>;

export interface Capture {
  packages: Fields | null;
  repos: Record<string, Fields>;
}

export interface RunDetail extends Run {
  /** Whether whoever looks may rename and delete it. */
  can_write: boolean;
  /** What all attempts told, the newest one's last; so is meta. */
  config: unknown;
  meta: Record<string, unknown>;
  /** The last attempts that told something of their own, upwards. */
  config_attempts: number[];
  meta_attempts: number[];
  sessions: Session[];
  session_count: number;
  /** The last changes of the state, the newest last. */
  history: StateChange[];
  losses: Record<string, number>;
  events: number;
  writers: number;
  capture: Capture;
  paper: string;
  /** When the retention of its project will delete it; null: it will not. */
  kept_until: number | null;
}

/** What was logged or printed at once. `level` is null for what was printed. */
export interface Log {
  time: number;
  level: string | null;
  channel: string;
  rank: number;
  attempt: number;
  writer: string;
  text: string;
}

/** `end`: cursor for `after`, behind this page; `previous`: for `before`. */
export interface LogPage extends Page<Log> {
  previous: string | null;
  end: string | null;
}

export interface KeyInfo {
  key: string;
  count: number;
  step_min: number;
  step_max: number;
  last: { step: number; value: JsonNumber; time: number } | null;
  min: JsonNumber | null;
  max: JsonNumber | null;
}

export interface ApiKey {
  id: string;
  name: string;
  created: number | null;
  expires?: number | null;
  last_used?: number | null;
}

export function fromJsonNumber(value: JsonNumber | null | undefined): number {
  return value === null || value === undefined ? NaN : Number(value);
}
