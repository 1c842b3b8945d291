// Small pieces that several pages share.

import type { ComponentChildren, TargetedKeyboardEvent } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { formatAgo, formatMoment } from '../base/format';
import { meaningOf, toneOf } from '../base/runstate';
import type { TagAnswer } from '../schema/lab';
import { Icon } from './icon';

/** Show a state. `rank`: the rank whose state it is, if not that of all ranks; `why`: what is known of the reason. */
export function StateBadge({ state, rank = null, why = '' }: { state: string; rank?: number | null; why?: string }) {
  return (
    <span class={`badge tone-${toneOf(state)}`} title={[meaningOf(state), why].filter(Boolean).join(': ')} data-state={state}>
      <i class="badge-dot" />
      {rank === null ? state : `${state} (rank ${rank})`}
    </span>
  );
}

export function Moment({ time, now }: { time: number | null; now: number }) {
  if (time === null) return <span class="dim">–</span>;
  return (
    <time dateTime={new Date(time * 1000).toISOString()} title={formatMoment(time, true)}>
      {formatAgo(time, now)}
    </time>
  );
}

export function TagChip({ tag }: { tag: Pick<TagAnswer, 'name' | 'color'> }) {
  // Users choose these colours: only a plain hex colour is used.
  const color = tag.color && /^#?[0-9a-f]{3,8}$/i.test(tag.color) ? `#${tag.color.replace('#', '')}` : 'var(--dim)';
  return (
    <span class="tag">
      <i style={{ background: color }} />
      {tag.name}
    </span>
  );
}

export function SearchBox(props: { value: string; onChange: (text: string) => void; label: string; placeholder: string }) {
  const [text, setText] = useState(props.value);
  const sent = useRef(props.value);
  useEffect(() => {
    // The URL changed in another way, such as by Back: follow it.
    if (props.value !== sent.current) setText(props.value);
    sent.current = props.value;
  }, [props.value]);
  useEffect(() => {
    if (text === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = text;
      props.onChange(text);
    }, 200);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label class="search">
      <Icon name="search" />
      <input
        type="search"
        value={text}
        placeholder={props.placeholder}
        aria-label={props.label}
        spellcheck={false}
        maxLength={1024}
        onInput={(e) => setText(e.currentTarget.value)}
      />
    </label>
  );
}

/** Offer a few choices. Arrow keys move between them, as among radio buttons. */
export function Segments<T extends string>(props: { label: string; options: readonly (readonly [T, string])[]; value: T; onChange: (value: T) => void }) {
  const { options, value, onChange } = props;
  function onKeyDown(event: TargetedKeyboardEvent<HTMLDivElement>): void {
    const by = event.key === 'ArrowRight' || event.key === 'ArrowDown' ? 1 : event.key === 'ArrowLeft' || event.key === 'ArrowUp' ? -1 : 0;
    if (!by) return;
    event.preventDefault();
    const at = (options.findIndex(([v]) => v === value) + by + options.length) % options.length;
    onChange(options[at]![0]);
    (event.currentTarget.children[at] as HTMLElement).focus();
  }
  return (
    <div class="segments" role="radiogroup" aria-label={props.label} onKeyDown={onKeyDown}>
      {options.map(([v, text]) => (
        <button key={v} type="button" role="radio" aria-checked={v === value} tabIndex={v === value ? 0 : -1} onClick={() => onChange(v)}>
          {text}
        </button>
      ))}
    </div>
  );
}

export function CopyButton({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  return (
    <button class="icon-button" type="button" title={label} aria-label={label} onClick={() => void copy(text).then(setDone)}>
      <Icon name={done ? 'check' : 'copy'} />
    </button>
  );
}

/**
 * Copy a text. Return whether it is in the clipboard. On plain HTTP beyond localhost, browsers have no clipboard API; then a
 * selection is copied.
 */
export async function copy(text: string): Promise<boolean> {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(text).then(
      () => true,
      () => copyBySelection(text),
    );
  }
  return copyBySelection(text);
}

function copyBySelection(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  area.style.position = 'fixed';
  area.style.opacity = '0';
  document.body.appendChild(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}

/** A button that asks once more, in its place. */
export function Confirm({ text, question, onYes }: { text: string; question: string; onYes: () => void }) {
  const [asked, setAsked] = useState(false);
  const yes = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (asked) yes.current?.focus();
  }, [asked]);
  if (!asked) return <button class="link" onClick={() => setAsked(true)}>{text}</button>;
  return (
    <span class="confirm" role="group" aria-label={question} onKeyDown={(e) => e.key === 'Escape' && setAsked(false)}>
      {question}
      <button ref={yes} class="link danger" onClick={() => (setAsked(false), onYes())}>{text}</button>
      <button class="link" onClick={() => setAsked(false)}>Cancel</button>
    </span>
  );
}

export function Snippet({ text, label }: { text: string; label: string }) {
  return (
    <figure class="snippet">
      <figcaption>
        {label}
        <CopyButton text={text} label={`Copy: ${label}`} />
      </figcaption>
      <pre tabIndex={0}>{text}</pre>
    </figure>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Waiting() {
  return (
    <p class="waiting" role="status">
      Loading…
    </p>
  );
}
