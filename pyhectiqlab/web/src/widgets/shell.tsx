// The frame of every page: the top bar, the trail, the line about the connection.

import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { keyLabel } from '../base/hotkeys';
import { at } from '../base/root';
import { tabIcon, tabText, tabTone, type States } from '../base/tabmark';
import { visible } from '../base/visible';
import { IS_MAC, overlay } from '../state/keyboard';
import { alerts, labReached, logOut, silence, user } from '../state/session';
import { useStore } from '../state/store';
import { Icon, Logo } from './icon';

export interface Crumb {
  text: string;
  href?: string;
}

interface ShellProps {
  crumbs: readonly Crumb[];
  title: string;
  /** The states of the runs that the page shows. The tab shows them, too. */
  states?: States;
  children: ComponentChildren;
}

const NO_STATES: States = {};

export function Shell({ crumbs, title, states = NO_STATES, children }: ShellProps) {
  const who = useStore(user);
  const says = tabText(states);
  const tone = tabTone(states);
  useEffect(() => {
    document.title = [says, visible(title), 'hectiqlab'].filter(Boolean).join(' · ');
  }, [title, says]);
  useEffect(() => {
    document.querySelector<HTMLLinkElement>('link[rel="icon"]')!.href = tabIcon(tone);
  }, [tone]);
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), document.getElementById('main')?.focus())}>
        Skip to content
      </a>
      <header class="topbar">
        <a class="brand" href={at('/')} aria-label="hectiqlab: all projects">
          <Logo />
          <span>hectiqlab</span>
        </a>
        <nav class="crumbs" aria-label="Where you are">
          {crumbs.map((c) => (
            <span key={c.text + c.href}>{c.href ? <a href={c.href}>{c.text}</a> : <span aria-current="page">{c.text}</span>}</span>
          ))}
        </nav>
        {who && (
          <div class="who">
            <button class="find" onClick={() => overlay.set('palette')} aria-label={`Find or do: ${keyLabel('Mod+k', IS_MAC)}`} title={`Find or do (${keyLabel('Mod+k', IS_MAC)}); ? shows all keys`}>
              <Icon name="search" />
              <kbd>{keyLabel('Mod+k', IS_MAC)}</kbd>
            </button>
            {(who.role === 'admin' || who.role === 'owner') && <a href={at('/admin/users')}>Lab</a>}
            <a href={at('/account')} title="Account and API keys">{who.username}</a>
            <button class="link" onClick={() => void logOut()}>
              Log out
            </button>
          </div>
        )}
      </header>
      <ConnectionLine />
      <Alerts />
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}

/** Messages for admins of the lab, on every page. */
function Alerts() {
  const texts = useStore(alerts);
  if (texts.length === 0) return null;
  return (
    <div class="alerts" role="region" aria-label="What the lab needs">
      {texts.map((text) => (
        <p key={text}>{text} <a href={at('/admin/status')}>State of the lab</a></p>
      ))}
    </div>
  );
}

export function ConnectionLine() {
  const ok = useStore(labReached);
  const why = useStore(silence);
  return (
    <div class="connection" role="status" aria-live="polite">
      {!ok && <p>{navigator.onLine ? why : 'This device is offline.'} What is shown may be out of date; trying again…</p>}
    </div>
  );
}
