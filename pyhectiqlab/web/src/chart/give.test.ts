import { expect, test } from 'vitest';
import type { Buckets } from '../base/buckets';
import { FIRST_STYLE, sizeOf } from '../base/figurestyle';
import { svgOf } from './figure';
import { csvOf, pythonOf } from './give';
import { makeCurve, type Curve } from './series';

const of = (...values: number[]) => Float64Array.from(values);

function curve(name: string, more: Partial<Buckets> = {}): Curve {
  const zeros = new Float64Array(3);
  const b: Buckets = {
    run: 'abc', key: 'train/loss', rank: null, attempt: null, ranks: 1, width: 4, total: 6, start: of(0, 4, 8), count: of(4, 1, 1), min: of(0.1, 2, NaN), max: of(1 / 3, 2, NaN),
    mean: of(0.2, 2, NaN), last: of(0.25, 2, NaN), lastX: of(3, 5, 8), exactX: null, nan: of(0, 0, 1), pinf: zeros, ninf: zeros, smoothed: null, ...more,
  };
  return makeCurve(b, 'step', name, { color: '#123456', dash: [] });
}

test('CSV has the slices in sight with all digits, and names as they are', () => {
  const [head, ...rows] = csvOf([curve('a, "b"', { smoothed: of(0.2, 0.5, 0.5) })], 'step', [4, 99]).trim().split('\n');
  expect(head).toBe('run,name,key,rank,attempt,step_from,step_to,points,min,max,mean,last,last_step,nan,pinf,ninf,smoothed');
  expect(rows).toEqual(['abc,"a, ""b""",train/loss,,,4,7,1,2,2,2,2,5,0,0,0,0.5', 'abc,"a, ""b""",train/loss,,,8,11,1,NaN,NaN,NaN,NaN,8,1,0,0,0.5']);
  expect(csvOf([curve('a')], 'step', [0, 2]).split('\n')[1]).toContain('0.3333333333333333');
});

test('the Python states the grid of all lines of a key', () => {
  const query = { axis: 'step', rank: null, attempts: [null], smooth: { kind: 'mean', width: 7 }, lo: null, hi: null, n: 512 } as const;
  const code = pythonOf([curve('a'), curve('b', { run: 'def', rank: 2, attempt: 3, start: of(12, 16, 20) })], query);
  expect(code).toContain('"a": Run.existing("abc").buckets("train/loss", n=512, lo=0, hi=23, smooth=("mean", 7)),');
  expect(code).toContain('"b": Run.existing("def").buckets("train/loss", n=512, lo=0, hi=23, rank=2, attempt=3, smooth=("mean", 7)),');
});

test('the figure has axes, a line that NaN breaks, the band, and a legend whose names do no harm', () => {
  const curves = [curve('<b>&'), curve('other')];
  const data = { curves, axis: 'step', scale: 'linear', xScale: 'linear', y: 'all', shared: null, whole: null, zoom: null } as const;
  const svg = svgOf({ data, x: [0, 10], y: [0, 2] }, 'train/loss', sizeOf(FIRST_STYLE));
  expect(svg).toContain('&lt;b&gt;&amp;');
  expect(svg).not.toContain('<b>');
  expect(svg.match(/class="line" d="M(\S+) (\S+?)L(\S+) (\S+?)"/)!.slice(1).map(Number)).toEqual([156.5, 319.8, 349, 30]);
  expect(svg.match(/class="band"/g)!.length).toBe(2);
  for (const label of ['>10<', '>1.5<', '>Step<', '>train/loss<']) expect(svg).toContain(label);
  const log = svgOf({ data: { ...data, scale: 'log' }, x: [0, 10], y: [0.1, 10] }, 't', sizeOf(FIRST_STYLE));
  for (const label of ['>0.1<', '>1<', '>10<']) expect(log).toContain(label);
});
