// Who is logged in, and whether the lab answers.

import { api } from '../api/calls';
import { ApiError, listen, setCsrf, askWhoIsThere } from '../api/http';
import { isAdmin } from '../base/roles';
import type { LoginAnswer, UserAnswer } from '../schema/lab';
import { currentRoute, currentUrl, navigate } from './router';
import { Store } from './store';

/** undefined: not known yet; null: nobody. */
export const user = new Store<UserAnswer | null | undefined>(undefined);
/** What an admin of the lab should do something about, a sentence each. */
export const alerts = new Store<string[]>([]);
export const labReached = new Store(true);
/** Why the lab does not answer, in a sentence. */
export const silence = new Store('');
/** Whether the last request for points failed. Charts say so in their places. */
export const noPoints = new Store(false);
export const NO_POINTS = 'The lab cannot reach the points now.';
/** Grows each time the lab answers again after a silence. Pages then load everything anew. */
export const revival = new Store(0);

const RETRY_MS = 2000;
const ALERTS_EVERY_MS = 60_000;
let retry: ReturnType<typeof setTimeout> | null = null;

export function startSession(): void {
  listen({ reached, expired, renewed: enter });
  void whoAmI();
  setInterval(() => {
    if (isAdmin(user.value?.role) && !document.hidden) void api.me().then((me) => alerts.set(me.alerts), () => undefined);
  }, ALERTS_EVERY_MS);
}

/** Find out why the live stream broke: is the lab down, or the session over? */
export function probe(): void {
  askWhoIsThere().catch(() => {}); // `reached` and `expired` are called anyway
}

function reached(answered: boolean, why = 'The lab does not answer.'): void {
  if (answered) {
    if (!labReached.value) revival.set(revival.value + 1);
    labReached.set(true);
    if (retry !== null) clearTimeout(retry);
    retry = null;
    return;
  }
  silence.set(why);
  labReached.set(false);
  retry ??= setTimeout(() => {
    retry = null;
    void (user.value === undefined ? whoAmI() : ping());
  }, RETRY_MS);
}

async function ping(): Promise<void> {
  await api.healthy().catch(() => undefined); // `reached` is called in either case
}

export function enter(me: LoginAnswer): void {
  setCsrf(me.csrf);
  user.set(me.user);
  alerts.set(me.alerts);
}

async function whoAmI(): Promise<void> {
  try {
    enter(await api.me());
  } catch (e) {
    if (e instanceof ApiError && e.status === 401) expired();
  }
}

/** Go to the login page, and afterwards back here. */
function expired(): void {
  user.set(null);
  alerts.set([]);
  const route = currentRoute();
  if (route.page !== 'login' && route.page !== 'invite') navigate({ page: 'login', next: currentUrl(), problem: '' }, true);
}

export async function logOut(): Promise<void> {
  const answer = await api.logout().catch(() => undefined); // if the lab cannot be reached, this page forgets the user all the same
  setCsrf(null);
  user.set(null);
  alerts.set([]);
  navigate({ page: 'login', next: '/', problem: '' });
  if (answer?.next && /^https?:/.test(answer.next)) location.assign(answer.next); // also log out at the provider of single sign-on
}
