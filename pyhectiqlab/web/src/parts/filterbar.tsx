// The search of a table of runs: its terms as chips, and suggestions while somebody types.

import type { TargetedKeyboardEvent } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api/calls';
import { ApiError, UnreachableError } from '../api/http';
import { isHalfTyped } from '../base/halftyped';
import { Newest } from '../base/limiter';
import { ALL_STATES } from '../base/runstate';
import { caretOf, replacePiece, splitTerms } from '../base/terms';
import type { SuggestAnswer } from '../schema/lab';
import { Store, useStore } from '../state/store';
import { Icon } from '../widgets/icon';

const SENT_EVERY_MS = 80; // at most so often while a key is held down
const PAUSED_AFTER_MS = 600; // so long after the last key, what is half typed is sent as it is
const ASKED_AFTER_MS = 80;
const SETTLED_AFTER_MS = 200; // so long after the focus has left: until then, what somebody clicks does not move

interface Props {
  project: string;
  value: string;
  onChange: (query: string) => void;
}

/** True from a key in the search until a pause, Enter, or until the focus has left. */
const isTyping = new Store(false);
const FEW: Record<string, readonly string[]> = { state: ALL_STATES, archived: ['true', 'false'] };

/**
 * The search box. A search is sent at each key, if its terms are whole. What is half typed is sent when somebody pauses, presses
 * Enter or leaves the field.
 */
export function FilterBar({ project, value, onChange }: Props) {
  const [terms, setTerms] = useState(() => splitTerms(value));
  const [draft, setDraft] = useState('');
  const [focused, setFocused] = useState(false);
  const [active, setActive] = useState(-1);
  const input = useRef<HTMLInputElement>(null);
  const caretWanted = useRef<number | null>(null);
  const sent = useRef(value);
  const query = [...terms, draft.trim()].filter(Boolean).join(' ');
  const { answer, ask, close } = useSuggestions(project);
  const items = focused && answer ? answer.items : [];

  useEffect(() => {
    if (value === sent.current) return;
    sent.current = value; // something else changed it, such as Back
    setTerms(splitTerms(value));
    setDraft('');
  }, [value]);
  const typing = useStore(isTyping);
  const sentAt = useRef(-Infinity);
  useLayoutEffect(() => {
    if (query === sent.current || (typing && isHalfTyped(draft, FEW))) return;
    const send = () => {
      sent.current = query;
      sentAt.current = performance.now();
      onChange(query);
    };
    const wait_ms = typing ? sentAt.current + SENT_EVERY_MS - performance.now() : 0;
    if (wait_ms <= 0) return send();
    const timer = setTimeout(send, wait_ms);
    return () => clearTimeout(timer);
  }, [query, typing]);
  useEffect(() => {
    if (!typing) return;
    const timer = setTimeout(() => isTyping.set(false), PAUSED_AFTER_MS);
    return () => clearTimeout(timer);
  }, [draft, typing]);
  useEffect(() => () => isTyping.set(false), []);
  useEffect(() => {
    if (focused || !draft) return;
    const timer = setTimeout(settle, SETTLED_AFTER_MS);
    return () => clearTimeout(timer);
  }, [focused, draft]);
  useLayoutEffect(() => {
    if (caretWanted.current !== null) input.current?.setSelectionRange(caretWanted.current, caretWanted.current);
    caretWanted.current = null;
  }, [draft]);
  useEffect(() => setActive(-1), [answer]);

  /** Turn what was typed into chips. */
  function settle(): void {
    setTerms([...terms, ...splitTerms(draft)]);
    setDraft('');
    isTyping.set(false);
    close();
  }
  function type(text: string, caret: number): void {
    setDraft(text);
    isTyping.set(true);
    ask(text, caret);
  }
  function accept(index: number): void {
    const item = items[index];
    if (!answer || !item) return;
    const next = replacePiece(draft, answer.start, answer.end, item.text);
    if (answer.kind === 'value' && next.caret === next.text.length) {
      setTerms([...terms, ...splitTerms(next.text)]);
      setDraft('');
      isTyping.set(false);
      close();
      return;
    }
    caretWanted.current = next.caret;
    type(next.text, next.caret);
  }
  const remove = (index: number) => (setTerms(terms.filter((_, i) => i !== index)), input.current?.focus());
  function change(index: number): void {
    const text = terms[index]!;
    setTerms([...terms.filter((_, i) => i !== index), ...splitTerms(draft)]);
    caretWanted.current = text.length;
    input.current?.focus();
    type(text, text.length);
  }
  function onKeyDown(e: TargetedKeyboardEvent<HTMLInputElement>): void {
    const by = e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0;
    if (by && !items.length) ask(draft, e.currentTarget.selectionStart ?? draft.length);
    else if (by) setActive((active + by + (active < 0 && by < 0 ? 1 : 0) + items.length) % items.length);
    else if (e.key === 'Enter' && active >= 0) accept(active);
    else if (e.key === 'Enter') settle();
    else if (e.key === 'Tab' && !e.shiftKey && items.length && (draft || active >= 0)) accept(Math.max(0, active));
    else if (e.key === 'Escape' && items.length) close();
    else if (e.key === 'Escape') return e.currentTarget.blur();
    else if (e.key === 'Backspace' && !draft && terms.length) change(terms.length - 1);
    else return;
    e.preventDefault();
    e.stopPropagation();
  }

  return (
    <div class="filter" role="search">
      <div class="search" onPointerDown={(e) => e.target === e.currentTarget && (e.preventDefault(), input.current?.focus())}>
        <Icon name="search" />
        {terms.length > 0 && (
          <ul class="terms" aria-label="Terms of the search">
            {terms.map((term, i) => (
              <li key={`${i} ${term}`} class="term">
                <button title="Change it" onClick={() => change(i)}>{term}</button>
                <button class="icon-button" aria-label={`Remove ${term}`} onClick={() => remove(i)}><Icon name="close" /></button>
              </li>
            ))}
          </ul>
        )}
        <input
          ref={input}
          id="search-runs"
          role="combobox"
          aria-label="Search runs"
          aria-autocomplete="list"
          aria-expanded={items.length > 0}
          aria-controls="suggestions"
          aria-activedescendant={items[active] ? `suggestion-${active}` : undefined}
          aria-keyshortcuts="/"
          value={draft}
          placeholder={terms.length ? '' : 'Words, tag=best, config.lr<0.1'}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          maxLength={1024}
          onInput={(e) => type(e.currentTarget.value, e.currentTarget.selectionStart ?? e.currentTarget.value.length)}
          onClick={(e) => ask(draft, e.currentTarget.selectionStart ?? draft.length)}
          onFocus={() => setFocused(true)}
          onBlur={() => (setFocused(false), isTyping.set(false), close())}
          onKeyDown={onKeyDown}
        />
      </div>
      <ul id="suggestions" class="suggestions" role="listbox" aria-label="Suggestions" hidden={!items.length}>
        {items.map((item, i) => (
          <li
            key={item.text}
            id={`suggestion-${i}`}
            ref={(element) => void (i === active && element?.scrollIntoView({ block: 'nearest' }))}
            role="option"
            aria-selected={i === active}
            onPointerDown={(e) => e.preventDefault()} // keep the focus in the field
            onClick={() => accept(i)}
          >
            <code>{item.text}</code>
            <span>{item.about}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** What is wrong with a search. It is shown when nobody types any more. */
export function SearchProblem({ text }: { text: string }) {
  return useStore(isTyping) ? null : <p class="problem" role="alert">{text}</p>;
}

/** Return the suggestions for the text that was asked for last. */
function useSuggestions(project: string): { answer: SuggestAnswer | null; ask: (text: string, caret: number) => void; close: () => void } {
  const [answer, setAnswer] = useState<SuggestAnswer | null>(null);
  const newest = useRef(new Newest());
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const stop = () => (clearTimeout(timer.current), newest.current.cancel());
  useEffect(() => stop, [project]);
  const ask = (text: string, caret: number): void => {
    stop();
    setAnswer(null); // these are for another text, so nobody may accept them
    timer.current = setTimeout(async () => {
      const ticket = newest.current.begin();
      try {
        const suggested = await api.suggest({ project, text, caret: caretOf(text, caret) }, ticket.signal);
        if (ticket.isNewest()) setAnswer(suggested);
      } catch (e) {
        if (!(e instanceof UnreachableError || e instanceof ApiError) && ticket.isNewest()) throw e; // without suggestions, people simply type on
      }
    }, ASKED_AFTER_MS);
  };
  return { answer, ask, close: () => (stop(), setAnswer(null)) };
}
