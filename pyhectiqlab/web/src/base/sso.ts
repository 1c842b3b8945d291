// Why a login by single sign-on was refused, in a sentence. server/sso/refusals.py has the words.

export const SSO_PROBLEMS: Record<string, string> = {
  unreachable: 'The login provider does not answer. Try again in a moment.',
  misconfigured: "The lab and the login provider do not fit each other. An admin finds the reason in the lab's log.",
  clock: 'The clocks of the lab and of the login provider differ too much. An admin has to set them.',
  audience: "The login provider answered for another application. An admin has to correct the lab's client id.",
  untrusted: 'The answer of the login provider could not be trusted. Log in again.',
  stale: 'This login was used already, took too long, or began in another browser. Log in again.',
  denied: 'The login provider did not let you in.',
  no_group: 'None of your groups may use this lab. Ask an admin of the lab.',
  no_name: 'The login provider gives no name that a user of this lab could have. Ask an admin of the lab.',
  name_taken: 'Somebody in this lab has your name already. If it is you, ask an admin to link your account.',
  no_account: 'You have no account in this lab. Ask an admin for one.',
  disabled: 'Your account in this lab is disabled. Ask an admin of the lab.',
  throttled: 'Too many failed logins from your address. Wait some minutes, then try again.',
  off: 'This lab has no single sign-on.',
};
