// What surrounds the panels of a board: legends, what is said if there are no panels, the frame of an enlarged one.

import { useEffect, useRef } from 'preact/hooks';
import { runUrl } from '../base/links';
import type { Look } from '../base/looks';
import type { ChartView } from '../base/route';
import { Empty } from '../widgets/basics';
import { Icon } from '../widgets/icon';
import { scrollerOf } from '../widgets/split';
import { Swatch } from '../widgets/swatch';
import type { ChartRun } from './panel';

export function Legend({ runs, view, setView }: { runs: readonly ChartRun[]; view: ChartView; setView: (view: ChartView, replace: boolean) => void }) {
  const toggle = (id: string) => {
    const hidden = view.hidden.includes(id) ? view.hidden.filter((h) => h !== id) : [...view.hidden, id];
    setView({ ...view, hidden }, true);
  };
  return (
    <ul class="legend" aria-label="Runs">
      {runs.map((run) => {
        const on = !view.hidden.includes(run.id);
        return (
          <li key={run.id} class={on ? '' : 'off'}>
            <button aria-pressed={on} onClick={() => toggle(run.id)} title={on ? 'Hide this run' : 'Show this run'}><Swatch {...run} />{run.name}</button>
            {!run.members && <a href={runUrl(run.id)} aria-label={`Open ${run.name}`} title="Open the run"><Icon name="chevron" /></a>}
          </li>
        );
      })}
    </ul>
  );
}

interface LineLegendProps {
  label: string;
  noun: string;
  items: readonly number[];
  look: (item: number) => Look;
  choose: (item: number) => void;
}

/** The ranks or the attempts of the only run that is shown. */
export function LineLegend({ label, noun, items, look, choose }: LineLegendProps) {
  return (
    <ul class="legend" aria-label={label}>
      {items.map((item) => (
        <li key={item}>
          <button onClick={() => choose(item)} title={`Show this ${noun} alone`}>
            <Swatch {...look(item)} />
            {noun} {item}
          </button>
        </li>
      ))}
    </ul>
  );
}

export function NoKeys({ query, over, several }: { query: string; over: boolean; several: boolean }) {
  const these = several ? 'these runs' : 'this run';
  if (query) return <Empty title="No metric matches"><p>No key of {these} contains “{query}”.</p></Empty>;
  if (over) return <Empty title="No metrics"><p>{several ? 'These runs' : 'This run'} ended without reporting a metric.</p></Empty>;
  return (
    <Empty title="No metrics yet">
      <p>
        Charts appear here by themselves as soon as the script calls <code>run.add_metrics("train/loss", value, step)</code>.
      </p>
    </Empty>
  );
}

export function MoreKeys({ onVisible, count }: { onVisible: () => void; count: number }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && onVisible(), { root: scrollerOf(ref.current!), rootMargin: '600px 0px' });
    observer.observe(ref.current!);
    return () => observer.disconnect();
  }, [onVisible, count]); // observe it again after each page: it may still be in sight
  return (
    <div class="more" ref={ref}>
      <button class="button" onClick={onVisible}>
        Show more metrics
      </button>
    </div>
  );
}

export function Large({ title, onClose, children }: { title: string; onClose: () => void; children: preact.ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const d = dialog.current!;
    d.showModal();
    d.focus(); // the dialog, not its first button: Escape closes it, Tab goes on
    return () => d.close();
  }, []);
  return (
    <dialog
      class="large"
      ref={dialog}
      tabIndex={-1}
      aria-label={title}
      onCancel={(e) => (e.preventDefault(), onClose())}
      onClick={(e) => e.target === dialog.current && onClose()}
    >
      <button class="icon-button large-close" onClick={onClose} aria-label="Close" title="Close">
        <Icon name="close" />
      </button>
      {children}
    </dialog>
  );
}
