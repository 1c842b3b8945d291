// What lines look like. Their colours can be told apart in light and dark mode and by most colour-blind readers; beyond ten
// colours they also have a dash.

export const PALETTE = [
  '#5476f7', // indigo
  '#f08c00', // orange
  '#12a37f', // teal
  '#e64980', // pink
  '#8a63d2', // violet
  '#0ea5d8', // sky
  '#a3742c', // brown
  '#74b816', // lime
  '#d6336c', // raspberry
  '#868e96', // grey
] as const;

/** Lengths in CSS pixels: drawn, left out, drawn, … They are longer than those of a line over a gap (see chart/draw.ts). */
export type Dash = readonly number[];

const DASHES: readonly Dash[] = [[], [9, 5], [9, 4, 1, 4], [4, 5], [14, 4, 4, 4], [9, 3, 1, 3, 1, 3]];

export interface Look {
  color: string;
  dash: Dash; // empty: a solid line
}

export const LOOKS = PALETTE.length * DASHES.length;

/** The first ten looks are solid. Each ten that follow have the same colours and another dash, six times. */
export function lookOf(index: number): Look {
  return { color: PALETTE[index % PALETTE.length]!, dash: DASHES[Math.floor(index / PALETTE.length) % DASHES.length]! };
}

/**
 * Return the looks of lines that are drawn together, by the indexes of their looks. Each has the colour of its index; of those
 * with the same colour, the lowest index is solid and the others are dashed.
 */
export function looksTogether(indexes: readonly number[]): Look[] {
  const looks: Look[] = new Array(indexes.length);
  const uses = new Uint32Array(PALETTE.length);
  const order = indexes.map((_, place) => place).sort((a, b) => indexes[a]! - indexes[b]! || a - b);
  for (const place of order) {
    const color = indexes[place]! % PALETTE.length;
    looks[place] = lookOf(color + PALETTE.length * uses[color]!++);
  }
  return looks;
}

/**
 * Return a look for a new line: its colour is the rarest in `beside`; of the looks of that colour it is the rarest in `beside`,
 * then in `others`. All are indexes of looks.
 */
export function freeLook(beside: Iterable<number>, others: Iterable<number>): number {
  const uses = new Float64Array(LOOKS);
  const colors = new Float64Array(PALETTE.length);
  for (const index of others) uses[index % LOOKS]! += 1;
  for (const index of beside) {
    uses[index % LOOKS]! += 1e5;
    colors[index % PALETTE.length]! += 1e9;
  }
  const costs = uses.map((use, index) => use + colors[index % PALETTE.length]!);
  return costs.indexOf(Math.min(...costs));
}
