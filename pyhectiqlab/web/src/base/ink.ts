// The pen of a terminal: the colours, bold and underline that SGR sequences choose, as classes of the page's style sheet.
//
// Colours keep their hue alone, so that a text can be read in light and in dark mode, whatever its author's terminal looks like:
// black and white are the page's own colours. Everything else is ignored: blinking, hidden text, inverted colours.

const SGR = /^\x1b\[([\d;:]*)m$/;
const NAMES = ['', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', ''] as const; // black and white are the page's own
const LEVELS = [0, 95, 135, 175, 215, 255]; // levels of red, green and blue in the 256 colours
const CHROMA_MIN = 40; // of 255; below it a colour is grey
const GREYS = [60, 200]; // darker is black, lighter is white

/** `ink`: the classes of what is written next; "": plain text. */
export class Pen {
  ink = '';
  private fore = '';
  private back = '';
  private bold = false;
  private underline = false;

  /** Follow an escape sequence, if it is one of SGR. */
  obey(sequence: string): void {
    const codes = SGR.exec(sequence)?.[1]?.split(';');
    if (!codes) return;
    for (let i = 0; i < codes.length; i++) {
      const [code = 0, ...more] = codes[i]!.split(':').map(Number);
      if (code === 38 || code === 48) {
        // The forms are "38;5;N" and "38;2;R;G;B". With colons, a colour space may stand before R.
        const parts = more.length ? more : codes.slice(i + 1, i + 5).map(Number);
        const count = parts[0] === 5 ? 1 : parts[0] === 2 ? 3 : 0;
        const color = parts[0] === 2 && more.length > 4 ? parts.slice(2, 5) : parts.slice(1, 1 + count);
        if (!more.length) i += count ? 1 + count : 0;
        if (count && color.length === count) this.paint(code === 38, count === 1 ? ofPalette(color[0]!) : ofRgb(color));
      } else this.simple(code, more[0]);
    }
    const classes = [this.fore && `ink-${this.fore}`, this.back && `back-${this.back}`, this.bold && 'ink-bold', this.underline && 'ink-underline'];
    this.ink = classes.filter(Boolean).join(' ');
  }

  private simple(code: number, detail: number | undefined): void {
    if (code === 0) {
      this.fore = this.back = '';
      this.bold = this.underline = false;
    } else if (code === 1) this.bold = true;
    else if (code === 22) this.bold = false;
    else if (code === 4 || code === 21) this.underline = detail !== 0;
    else if (code === 24) this.underline = false;
    else if ((code >= 30 && code <= 37) || (code >= 40 && code <= 47)) this.paint(code < 40, ofPalette(code % 10));
    else if ((code >= 90 && code <= 97) || (code >= 100 && code <= 107)) this.paint(code < 100, ofPalette(8 + (code % 10)));
    else if (code === 39 || code === 49) this.paint(code === 39, '');
  }

  private paint(fore: boolean, color: string): void {
    if (fore) this.fore = color;
    else this.back = color;
  }
}

/** Return the class of one of the 256 colours. */
function ofPalette(n: number): string {
  if (n === 8) return 'grey';
  if (n < 16) return NAMES[n % 8]!;
  if (n >= 232) return ofRgb([1, 1, 1].map(() => 8 + 10 * (n - 232)));
  return ofRgb([(n - 16) / 36, (n - 16) / 6, n - 16].map((level) => LEVELS[Math.floor(level) % 6]!));
}

function ofRgb(rgb: readonly number[]): string {
  const [r = 0, g = 0, b = 0] = rgb;
  const most = Math.max(r, g, b);
  const least = Math.min(r, g, b);
  const chroma = most - least;
  if (chroma < CHROMA_MIN) return most < GREYS[0]! || least > GREYS[1]! ? '' : 'grey';
  const sector = most === r ? (g - b) / chroma : most === g ? 2 + (b - r) / chroma : 4 + (r - g) / chroma;
  const hue = (60 * sector + 360) % 360;
  if (hue < 20 || hue >= 340) return 'red';
  if (hue < 70) return 'yellow';
  if (hue < 160) return 'green';
  if (hue < 200) return 'cyan';
  return hue < 260 ? 'blue' : 'magenta';
}
