// Every import goes a way that the table in README.md states, every way that it states is used, and no imports form a circle.

import { expect, test } from 'vitest';
import readme from '../README.md?raw';

const STATEMENT = /^\s*(?:import|export)\s(?:[^'";]*?\sfrom\s)?\s*'([^']+)'|\bimport\('([^']+)'\)/gm;

const sources = import.meta.glob<string>(['./**/*.{ts,tsx}', '!./imports.test.ts'], { query: '?raw', import: 'default', eager: true });
const files = Object.keys(sources).map((path) => path.slice('./'.length));

/** Return the room of a file: "pages" of "pages/run.tsx", "main" of "main.tsx". */
function roomOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : file.replace(/\..*/, '');
}

/** Return the file that `specifier` in `file` means; undefined: it is not one of ours. */
function resolve(file: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  const path = new URL(specifier, `file:///${file}`).pathname.slice(1);
  return files.find((f) => [path, `${path}.ts`, `${path}.tsx`, `${path}.d.ts`].includes(f));
}

/** The imports of our files, types included. Tests may import anything. */
const imports = files
  .filter((file) => !file.includes('.test.'))
  .flatMap((file) =>
    [...sources[`./${file}`]!.matchAll(STATEMENT)].map((match) => ({ file, specifier: match[1] ?? match[2]! })),
  )
  .map(({ file, specifier }) => ({ file, specifier, target: resolve(file, specifier) }));
const ours = imports.filter((i): i is typeof i & { target: string } => i.target !== undefined);
const ways = new Set(ours.map(({ file, target }) => `${roomOf(file)} → ${roomOf(target)}`).filter((way) => !/^(\w+) → \1$/.test(way)));

/** The ways that the table states: "api → base" is in the row of api. */
const stated = new Set(
  [...readme.matchAll(/^\| `src\/(\w+)(?:\.\w+)?` \|.*\| ([^|]*) \|$/gm)].flatMap(([, room, names]) =>
    names! === 'nothing' ? [] : names!.split(', ').map((name) => `${room} → ${name}`),
  ),
);

test('every import is understood, and of a file that is there', () => {
  expect(imports.length).toBeGreaterThan(200);
  const lost = imports.filter((i) => i.specifier.startsWith('.') && !i.target && !i.specifier.endsWith('.css'));
  expect(lost.map((i) => `${i.file}: ${i.specifier}`)).toEqual([]);
});

test('imports between rooms are those that README.md states', () => {
  expect([...ways].sort()).toEqual([...stated].sort());
});

test('no page imports another page', () => {
  expect(ours.filter((i) => roomOf(i.file) === 'pages' && roomOf(i.target) === 'pages')).toEqual([]);
});

test('no imports lead in a circle', () => {
  const of = new Map(files.map((file) => [file, ours.filter((i) => i.file === file).map((i) => i.target)]));
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(' → '));
    if (way.includes(file) || done.has(file)) return;
    for (const target of of.get(file)!) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});

test('no two files have the same name', () => {
  const names = files.map((file) => file.replace(/^.*\//, '').replace(/\.(d\.)?tsx?$/, ''));
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});
