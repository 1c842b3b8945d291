// What a terminal would have shown of a stream of texts: the same rules as protocol/terminal.py, without the I/O.

import { HIDDEN, JOINERS } from './visible';

/** One line as it stood when it ended, and the tag of the text that began it. */
export interface Line<T> {
  text: string;
  tag: T;
}

// Escape sequences (CSI, OSC, two characters), the other control characters but tab and line feed, what is not seen.
const ESCAPES = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -~]?/.source;
const SPECIAL = new RegExp(`${ESCAPES}|[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f${HIDDEN}${JOINERS}]`, 'gu');
const ERASE = /^\x1b\[([012]?)K$/;

export class Terminal<T> {
  private text = '';
  private at = 0; // the cursor, in UTF-16 units
  private tag: { of: T } | null = null;

  /** The lines that `text` ended. */
  feed(text: string, tag: T): Line<T>[] {
    const parts = text.split('\n');
    const last = parts.pop()!;
    const ended = parts.map((part) => {
      this.write(part, tag);
      return this.end(tag);
    });
    if (last) this.write(last, tag);
    return ended;
  }

  /** The line that has not ended yet. */
  rest(): Line<T> | null {
    return this.tag && { text: this.text, tag: this.tag.of };
  }

  private end(tag: T): Line<T> {
    const line = { text: this.text, tag: this.tag ? this.tag.of : tag };
    this.text = '';
    this.at = 0;
    this.tag = null;
    return line;
  }

  private write(part: string, tag: T): void {
    this.tag ??= { of: tag };
    let at = 0;
    for (const found of part.matchAll(SPECIAL)) {
      this.put(part.slice(at, found.index));
      this.obey(found[0]);
      at = found.index + found[0].length;
    }
    this.put(at ? part.slice(at) : part);
  }

  private put(plain: string): void {
    if (!plain) return;
    const end = this.at + plain.length;
    this.text = this.text.slice(0, this.at).padEnd(this.at) + plain + this.text.slice(end);
    this.at = end;
  }

  private obey(special: string): void {
    const erase = ERASE.exec(special);
    if (special === '\r') this.at = 0;
    else if (special === '\b') this.at = Math.max(0, this.at - 1);
    else if (JOINERS.includes(special)) {
      if (this.text.charCodeAt(this.at - 1) > 127) this.put(special);
    } else if (erase) {
      const before = erase[1] === '' || erase[1] === '0' ? this.text.slice(0, this.at) : '';
      const after = erase[1] === '1' ? this.text.slice(this.at + 1) : '';
      this.text = before || (after ? ' '.repeat(this.at + 1) + after : '');
    }
  }
}
