// The zooms of charts whose x is not an axis of the page. They are read from a link as untrusted input. Pure.

/** The chart `panel` over `x`, a metric or a formula, shows these values: from … to. */
export interface XZoom {
  panel: string;
  x: string;
  range: XRange;
}

export type XRange = readonly [lo: number, hi: number];

const ZOOMS_MAX = 50;
const TEXT_MAX = 4096;

/** Read "3,7,epoch,valid/loss", which `zoomText` wrote. What cannot be understood is left out. */
export function readZooms(texts: readonly string[]): XZoom[] {
  const zooms = texts.flatMap((text): XZoom[] => {
    const [, lo, hi, x, panel] = /^([^,]+),([^,]+),([^,]+),(.+)$/s.exec(text.slice(0, TEXT_MAX)) ?? [];
    if (!lo?.trim() || !hi?.trim() || !x || !panel) return [];
    const range = [Number(lo), Number(hi)] as const;
    return range.every(Number.isFinite) && range[0] < range[1] ? [{ panel, x: plain(x), range }] : [];
  });
  return zooms.filter((zoom, i) => zooms.findIndex((other) => isOf(other, zoom.panel, zoom.x)) === i).slice(0, ZOOMS_MAX);
}

export function zoomText({ panel, x, range }: XZoom): string {
  return [...range, x.replace(/[%,]/g, encodeURIComponent), panel].join(',');
}

/** Return the zoom of a chart; null: it shows everything. */
export function zoomOf(zooms: readonly XZoom[], panel: string, x: string): XRange | null {
  return zooms.find((zoom) => isOf(zoom, panel, x))?.range ?? null;
}

/** Return zooms with the range of one chart changed. If there are very many, the oldest are forgotten. */
export function withZoom(zooms: readonly XZoom[], panel: string, x: string, range: XRange | null): XZoom[] {
  const others = zooms.filter((zoom) => !isOf(zoom, panel, x));
  return range ? [...others, { panel, x, range }].slice(-ZOOMS_MAX) : others;
}

const isOf = (zoom: XZoom, panel: string, x: string) => zoom.panel === panel && zoom.x === x;
const plain = (text: string) => text.replace(/%25|%2C/gi, decodeURIComponent);
