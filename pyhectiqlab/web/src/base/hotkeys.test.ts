import { expect, test } from 'vitest';
import { HOTKEYS, hotkeyOf, keyLabel, keyName } from './hotkeys';

const pressed = (key: string, more: object = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more });
const everywhere = { typing: false, rows: true, row: true };

test('each key does one thing', () => {
  const keys = HOTKEYS.flatMap((hotkey) => hotkey.keys);
  expect(new Set(keys).size).toBe(keys.length);
});

test('what was pressed has one name', () => {
  expect(keyName(pressed('?', { shiftKey: true }))).toBe('?');
  expect(keyName(pressed('K', { ctrlKey: true, shiftKey: true }))).toBe('Mod+k');
  expect(keyName(pressed('k', { metaKey: true }))).toBe('Mod+k');
  expect(keyName(pressed(' ', { shiftKey: true }))).toBe('Shift+Space');
  expect(keyName(pressed('j', { altKey: true }))).toBe('Alt+j');
});

test('keys do nothing while somebody types, but for the palette', () => {
  const typing = { ...everywhere, typing: true };
  for (const { keys } of HOTKEYS) {
    for (const key of keys) {
      const [mod, name] = key.startsWith('Mod+') ? [true, key.slice(4)] : [false, key.replace('Shift+', '')];
      const its = hotkeyOf(pressed(name === 'Space' ? ' ' : name, { ctrlKey: mod, shiftKey: key.startsWith('Shift+') }), typing);
      expect(its?.action ?? null).toBe(mod ? 'palette' : null);
    }
  }
});

test('keys of rows need a row', () => {
  expect(hotkeyOf(pressed('j'), { typing: false, rows: true, row: false })?.action).toBe('next');
  expect(hotkeyOf(pressed('j'), { typing: false, rows: false, row: false })).toBeNull();
  expect(hotkeyOf(pressed('ArrowDown'), { typing: false, rows: true, row: false })).toBeNull(); // the page scrolls
  expect(hotkeyOf(pressed(' '), everywhere)?.action).toBe('tick');
  expect(hotkeyOf(pressed('r', { ctrlKey: true }), everywhere)).toBeNull();
});

test('keys are shown as they stand on the keyboard', () => {
  expect([keyLabel('Mod+k', false), keyLabel('Mod+k', true), keyLabel('ArrowDown', false)]).toEqual(['Ctrl K', '⌘ K', '↓']);
});
