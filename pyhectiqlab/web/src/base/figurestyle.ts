// How figures for a paper look. The style is chosen once and kept in the browser.

export const WIDTHS = [320, 480, 640, 960] as const; // px
export const FONTS = [9, 11, 13, 16] as const; // px

export interface FigureStyle {
  width: number;
  font: number;
  serif: boolean;
  legend: boolean;
}

export const FIRST_STYLE: FigureStyle = { width: 640, font: 13, serif: false, legend: true };
const DRAWN_FONT = 13; // figures are drawn with letters of this size, and then shown larger or smaller

/** The size in which a figure is drawn; `unit` units make a pixel. */
export interface FigureSize {
  width: number;
  height: number;
  unit: number;
  style: FigureStyle;
}

export function sizeOf(style: FigureStyle): FigureSize {
  const unit = DRAWN_FONT / style.font;
  return { width: style.width * unit, height: style.width * 0.625 * unit, unit, style };
}

/** Read the style that the browser kept, as untrusted input. */
export function readStyle(text: string | null): FigureStyle {
  let kept: Partial<FigureStyle> | null = null;
  try {
    kept = JSON.parse(text ?? 'null') as Partial<FigureStyle> | null;
  } catch {
    // the style at first
  }
  const { width, font, serif, legend } = { ...FIRST_STYLE, ...(typeof kept === 'object' ? kept : {}) };
  return {
    width: WIDTHS.find((w) => w === width) ?? FIRST_STYLE.width,
    font: FONTS.find((f) => f === font) ?? FIRST_STYLE.font,
    serif: serif === true,
    legend: legend !== false,
  };
}
