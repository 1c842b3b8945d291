// The least and the greatest value of columns over all runs of a search, for the shading of cells.

import { api } from '../api/calls';
import { useLoad, type Loaded } from './load';

const REFRESH_MS = 2000;

export type Extremes = ReadonlyMap<string, readonly [number, number]>;

export function useExtremes(project: string, filter: string[], columns: readonly string[]): Loaded<Extremes> {
  return useLoad(
    async (signal) => {
      if (!columns.length) return new Map();
      const { groups } = await api.tableGroups({ project, filter, by: [], column: [...columns] }, signal);
      return new Map((groups[0]?.columns ?? []).map(({ min, max }, i) => [columns[i]!, [Number(min), Number(max)] as const]));
    },
    [project, filter.join('\n'), columns.join('\n')],
    REFRESH_MS,
  );
}
