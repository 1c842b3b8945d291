import { describe, expect, it } from 'vitest';
import type { HistogramAnswer } from '../schema/lab';
import { barsOf, heatMap, outsideOf } from './bins';

const plain = { nan: 0, pinf: 0, ninf: 0 };
const histogram = (edges: number[], counts: number[]): HistogramAnswer => ({ edges, counts, ...plain });

describe('barsOf', () => {
  it('has heights as counts where bins are of one width', () => {
    expect(barsOf(histogram([0, 1, 2], [1, 4])).map((b) => [b.x, b.width, b.height])).toEqual([[0, 0.5, 0.25], [0.5, 0.5, 1]]);
  });
  it('has areas as counts where they are not', () => {
    expect(barsOf(histogram([0, 1, 4], [1, 3])).map((b) => b.height)).toEqual([1, 1]);
  });
  it('draws nothing of nothing, and bins without width', () => {
    expect(barsOf(histogram([], []))).toEqual([]);
    expect(barsOf(histogram([2, 2], [3])).every((b) => Number.isFinite(b.height) && Number.isFinite(b.x))).toBe(true);
    expect(barsOf(histogram([0, 1], [0]))[0]!.height).toBe(0);
  });
});

describe('heatMap', () => {
  it('puts histograms of different ranges on one scale', () => {
    const map = heatMap([histogram([0, 1, 2], [2, 1]), histogram([], []), histogram([2, 4], [8])], 4)!;
    expect([map.low, map.high]).toEqual([0, 4]);
    expect([...map.cells]).toEqual([1, 0.5, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
  });
  it('keeps a lone value in sight', () => {
    expect(Math.max(...heatMap([histogram([3, 3], [1])], 5)!.cells)).toBe(1);
    expect([...heatMap([histogram([0, 0, 10], [5, 0])], 2)!.cells]).toEqual([1, 0]);
    expect([...heatMap([histogram([0, 10, 10], [0, 5])], 2)!.cells]).toEqual([0, 1]);
  });
  it('has room for every number there is', () => {
    const wide = histogram([-1.7e308, 0, 1.7e308], [1, 2]);
    expect(heatMap([wide], 2)!.cells[0]).toBeCloseTo(0.5);
    expect(barsOf(wide).map((b) => b.x)).toEqual([0, 0.5]);
  });
  it('is nothing without values', () => expect(heatMap([histogram([], [])], 4)).toBeNull());
});

it('outsideOf tells what is in no bin', () => {
  expect(outsideOf({ edges: [], counts: [], nan: 3, pinf: 1, ninf: 0 })).toBe('3 NaN, 1 +∞');
  expect(outsideOf(histogram([], []))).toBe('');
});
