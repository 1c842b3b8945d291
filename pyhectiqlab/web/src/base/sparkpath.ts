// The line of a small picture, from its least to its greatest value.

const EDGE = 2; // px

/** Return a path of SVG; '': no value is finite. The path has a gap where a value is not finite. */
export function sparkPath(x: ArrayLike<number>, y: ArrayLike<number>, width: number, height: number): string {
  const finite = Array.from(y).filter(Number.isFinite);
  if (!finite.length) return '';
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const [first, last] = [x[0]!, x[x.length - 1]!];
  const across = (v: number) => (last > first ? EDGE + ((v - first) / (last - first)) * (width - 2 * EDGE) : width / 2);
  const up = (v: number) => (high > low ? height - EDGE - ((v - low) / (high - low)) * (height - 2 * EDGE) : height / 2);
  let path = '';
  for (let i = 0; i < y.length; i++) {
    if (!Number.isFinite(y[i]!)) continue;
    const joined = i > 0 && Number.isFinite(y[i - 1]!);
    const alone = !joined && !(i + 1 < y.length && Number.isFinite(y[i + 1]!));
    path += `${joined ? 'L' : 'M'}${across(x[i]!).toFixed(1)} ${up(y[i]!).toFixed(1)}${alone ? 'h0.1' : ''}`;
  }
  return path;
}
