// Numbers, durations and moments as people read them. No DOM, no clock: the caller passes the present time.

const UNITS = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const;

/** Return the value of a metric in at most about eight characters: 0.98231, 1.5e-7, 12,345.7, 57.77G, NaN, +Inf, −Inf. */
export function formatValue(value: number, digits = 5): string {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '−Inf';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 9_999_999.5 && size < 1e15) {
    const rounded = Number(value.toPrecision(Math.max(3, digits - 1))); // round first: 999,999,999 is 1G, not 1,000M
    const [factor, suffix] = UNITS.find(([least]) => Math.abs(rounded) >= least)!; // as on an axis
    if (Math.abs(rounded) < 1e15) return formatValue(rounded / factor, digits) + suffix;
  }
  if (size >= 1e7 || size < 1e-4) {
    const [mantissa = '', exponent = ''] = value.toExponential(Math.max(0, digits - 2)).split('e');
    return minus(`${trimZeros(mantissa)}e${exponent.replace('+', '')}`);
  }
  if (Number.isInteger(value)) return formatInteger(value);
  const whole = Math.floor(Math.log10(size)) + 1;
  const text = trimZeros(value.toFixed(Math.max(0, Math.min(10, digits - whole))));
  return minus(size >= 1000 ? groupThousands(text) : text);
}

/** Return a whole number with commas: 1234567 → 1,234,567. */
export function formatInteger(value: number | bigint): string {
  return minus(groupThousands(String(typeof value === 'bigint' ? value : Math.round(value))));
}

/** Return a count for a tight place: 950, 12.3k, 4.56M, 7.89G. */
export function formatCompact(value: number): string {
  const rounded = Math.abs(value) >= 100 ? Number(value.toPrecision(3)) : value; // round first: 999,999 is 1M, not 1000k
  const [factor, suffix] = UNITS.find(([least]) => Math.abs(rounded) >= least) ?? [1, ''];
  const size = Math.abs(rounded) / factor;
  return minus(trimZeros((rounded / factor).toFixed(size >= 100 || (factor === 1 && Number.isInteger(rounded)) ? 0 : size >= 10 && factor > 1 ? 1 : 2)) + suffix);
}

/** Return a size in powers of 1000, with three digits: 1.21 GB. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (value < 999.5) return `${unit === 'B' ? value : Number(value.toPrecision(3))} ${unit}`;
    value /= 1000;
  }
  return `${Number(value.toPrecision(3))} TB`;
}

/** Return seconds as a duration: 0.4s, 12s, 3m 05s, 2h 04m, 5d 03h. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  const s = Math.max(0, seconds);
  if (s < 10) return `${trimZeros(s.toFixed(1))}s`;
  const whole = Math.floor(s);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h ${two(Math.floor(whole / 60) % 60)}m`;
  return `${Math.floor(whole / 86_400)}d ${two(Math.floor(whole / 3600) % 24)}h`;
}

const TICK_DIGITS_MAX = 7; // of one label

/**
 * Return the labels of an axis, with as many digits as it takes to tell neighbours `increment` apart: 0.02, 0.04; 12k, 12.5k;
 * 1e−7. If that takes more digits than anybody reads, the first label is written in full and the others say how much more they
 * are: 3,200,000,000,000, +20, +40.
 */
export function formatTicks(values: readonly (number | null)[], increment: number): string[] {
  const most = Math.max(...values.map((v) => Math.abs(v ?? 0)));
  let place = Math.floor(Math.log10(increment) + 1e-9);
  if (Math.abs(increment / 10 ** place - Math.round(increment / 10 ** place)) > 1e-6) place--; // 0.25 needs two digits
  const first = values.findIndex((v) => v !== null);
  if (first >= 0 && Math.floor(Math.log10(most)) - place + 1 > TICK_DIGITS_MAX) {
    const base = values[first]!;
    const more = formatTicks(values.map((v) => (v === null ? null : v - base)), increment);
    return more.map((text, i) => (i === first ? inFull(base, place) : text && `+${text}`));
  }
  const tiny = most < 1e-3;
  const huge = most >= 1e15;
  const [factor, suffix] = (most >= 1e4 && UNITS.find(([least]) => most >= least)) || [1, ''];
  const decimals = Math.max(0, Math.min(20, Math.round(Math.log10(factor)) - place));
  return values.map((value) => {
    if (value === null) return '';
    if (Math.abs(value) < increment * 1e-6) return '0';
    if (tiny || huge) {
      const digits = Math.max(0, Math.min(12, Math.floor(Math.log10(Math.abs(value))) - place));
      const [mantissa = '', exponent = ''] = value.toExponential(digits).split('e');
      return minus(`${trimZeros(mantissa)}e${exponent.replace('+', '')}`);
    }
    return minus(groupThousands(trimZeros((value / factor).toFixed(decimals)))) + suffix;
  });
}

/** Return a value with all its digits down to 10^place. */
function inFull(value: number, place: number): string {
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e15) return minus(groupThousands(trimZeros(value.toFixed(Math.max(0, Math.min(20, -place))))));
  const [mantissa = '', exponent = ''] = value.toExponential(Math.max(0, Math.min(16, Math.floor(Math.log10(size)) - place))).split('e');
  return minus(`${trimZeros(mantissa)}e${exponent.replace('+', '')}`);
}

/** Return seconds as the label of an axis: 0.5s, 45s, 10m, 1h 30m, 2d. */
export function formatDurationTick(seconds: number): string {
  const sign = seconds < 0 ? '−' : '';
  const s = Math.abs(seconds);
  if (s < 60) return `${sign}${trimZeros(s.toFixed(3))}s`;
  const parts = [
    [Math.floor(s / 86_400), 'd'],
    [Math.floor(s / 3600) % 24, 'h'],
    [Math.floor(s / 60) % 60, 'm'],
    [Math.floor(s) % 60, 's'],
  ] as const;
  return sign + parts.filter(([n]) => n > 0).map(([n, unit]) => `${n}${unit}`).join(' ');
}

/** Return seconds since 1970 as a moment in the reader's time zone, with or without seconds: 2026-03-01 14:05. */
export function formatMoment(time: number, withSeconds = false): string {
  const d = new Date(time * 1000);
  if (Number.isNaN(d.getTime())) return '–';
  const clock = `${two(d.getHours())}:${two(d.getMinutes())}${withSeconds ? `:${two(d.getSeconds())}` : ''}`;
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock}`;
}

/** Return how long ago a moment was: "just now", "4 min ago", "3 h ago", "2 days ago", later the date. */
export function formatAgo(time: number, now: number): string {
  const s = now - time;
  if (s < 10) return 'just now';
  if (s < 60) return `${Math.floor(s)} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ago`;
  const days = Math.floor(s / 86_400);
  if (days < 14) return days === 1 ? 'yesterday' : `${days} days ago`;
  return formatMoment(time).slice(0, 10);
}

/** Return a count with its noun: "1 run", "3 runs". `nouns`: the plural, if it is not the noun with an s. */
export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${formatInteger(count)} ${nounFor(count, noun, nouns)}`;
}

/** Return the noun for a count: "run" for 1, "runs" for any other. */
export function nounFor(count: number, noun: string, nouns = `${noun}s`): string {
  return count === 1 ? noun : nouns;
}

function two(n: number): string {
  return String(n).padStart(2, '0');
}

function trimZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function groupThousands(text: string): string {
  const [whole = '', fraction] = text.split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

function minus(text: string): string {
  return text.replace(/^-/, '−').replace('e-', 'e−');
}
