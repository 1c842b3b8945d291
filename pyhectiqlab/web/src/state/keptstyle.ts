// How figures look, kept in the browser.

const KEY = 'hectiqlab.figure';

export function keptStyle(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // a browser that keeps nothing
  }
}

export function keepStyle(text: string): void {
  try {
    localStorage.setItem(KEY, text);
  } catch {
    // then it is for this page alone
  }
}
