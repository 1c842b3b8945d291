// How figures look. It is kept in the browser.

const KEY = 'hectiqlab.figure';

export function keptStyle(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // a browser without storage
  }
}

export function keepStyle(text: string): void {
  try {
    localStorage.setItem(KEY, text);
  } catch {
    // The style lasts as long as this page.
  }
}
