// What tells lines apart: the button that chooses it, the meaning of colours and dashes, and the charts that a chart becomes.

import type { ComponentChildren } from 'preact';
import { assignLabel, FACETS_MAX, type Key } from '../base/assign';
import { formatInteger, plural } from '../base/format';
import { later } from '../widgets/later';
import { Popover } from '../widgets/popover';
import { Swatch } from '../widgets/swatch';
import type { AssignProps } from './assignchoices';

const WAYS = [['color', 'colour'], ['dash', 'dash'], ['facet', 'charts']] as const;

export function AssignControl(props: AssignProps) {
  const { assign } = props;
  const ways = WAYS.flatMap(([way, label]) => (assign[way] === null ? [] : [`${label} ${assignLabel(assign[way])}`]));
  return <Popover text={ways.length ? `Told apart: ${ways.join(', ')}` : 'Tell apart'} label="What lines are told apart by">{() => <Choices {...props} />}</Popover>;
}

const Choices = later<AssignProps>(() => import('./ownkinds').then((its) => its.AssignChoices));

/** The meaning of looks, and what they do not tell apart. */
export function LookKeys({ keys }: { keys: readonly Key[] }) {
  return (
    <>
      {keys.map(({ what, items, note }) => (
        <div class="look-key" key={what}>
          <ul class="panel-legend" aria-label={what}>
            <li class="dim">{what}</li>
            {items.map(({ look, text }) => <li key={text}><Swatch {...look} />{text}</li>)}
          </ul>
          {note && <p class="dim" role="note">{note}</p>}
        </div>
      ))}
    </>
  );
}

/** The charts that a metric, or a chart that somebody made, has become. */
export function FacetBlock({ title, name, total, children }: { title: string; name: string; total: number; children: ComponentChildren }) {
  return (
    <section class="facets" aria-label={`Charts of ${title}`} data-key={name}>
      <header>
        <h3>{title}</h3>
        <span class="dim">{total > FACETS_MAX ? `the first ${FACETS_MAX} of ${formatInteger(total)} charts: the others are left out` : plural(total, 'chart')}</span>
      </header>
      <div class="facet-panels">{children}</div>
    </section>
  );
}
