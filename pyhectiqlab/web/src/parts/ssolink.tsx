// Links a user to a person at the provider of single sign-on, and unlinks them. For admins of a lab with such a provider.

import { useRef } from 'preact/hooks';
import { api } from '../api/calls';
import type { UserAnswer } from '../schema/lab';
import { useLoad } from '../state/load';
import { Confirm } from '../widgets/basics';

export function SsoLink({ user, attempt }: { user: UserAnswer; attempt: (task: () => Promise<unknown>) => void }) {
  const { data } = useLoad(() => api.healthy(), [], 0);
  const subject = useRef<HTMLInputElement>(null);
  if (!data?.sso) return null;
  const provider = data.sso.label;
  const link = (event: Event) => {
    event.preventDefault();
    attempt(() => api.linkSso(user.username, subject.current!.value.trim()));
  };
  if (user.sso !== null) {
    return (
      <p>
        Logs in by {provider}, as <code>{user.sso}</code>, and not by a password.{' '}
        <Confirm
          text="Unlink"
          question="Nobody logs in there as this user any more; their web sessions end."
          onYes={() => attempt(() => api.unlinkSso(user.username))}
        />
      </p>
    );
  }
  return (
    <form class="controls" onSubmit={link}>
      <label>
        Their identifier at {provider}{' '}
        <input ref={subject} required maxLength={255} autocomplete="off" spellcheck={false} aria-describedby="sso-hint" />
      </label>
      <button class="button">Link</button>
      <span id="sso-hint" class="dim">
        A refused login leaves it in the audit log. From then on they log in there, and no more by a password.
      </span>
    </form>
  );
}
