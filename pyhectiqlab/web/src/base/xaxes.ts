// The metric that another metric is drawn over, if its run asked for one: by its name, else by the longest pattern.

export type XAxes = Readonly<Record<string, string>>;

/** Return the metric that a key is drawn over; null: the axis of the page. */
export function askedAxis(axes: XAxes, key: string): string | null {
  const names = Object.keys(axes).filter((name) => name === key || (name.includes('*') && expression(name).test(key)));
  const name = names.sort((a, b) => Number(b === key) - Number(a === key) || b.length - a.length)[0];
  const metric = name === undefined ? undefined : axes[name];
  return metric && metric !== key && metric !== 'Step' && !metric.startsWith('_') && !key.startsWith('system/') ? metric : null; // _step and _runtime are W&B's own
}

const expression = (pattern: string) => new RegExp(`^${pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`, 's');

/** Return a metric as a formula. */
export const asFormula = (key: string) => `"${key.replace(/["\\]/g, '\\$&')}"`;
