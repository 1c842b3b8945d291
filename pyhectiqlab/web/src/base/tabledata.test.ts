import { describe, expect, it } from 'vitest';
import { cellText, parseTable } from './tabledata';

describe('tables', () => {
  it('reads a table and refuses what is none', () => {
    const table = parseTable('{"columns":["a",1],"types":["number","any"],"rows":[[1,"x"],["NaN",null]]}');
    expect(table).toEqual({ columns: ['a', '1'], numeric: [true, false], rows: [[1, 'x'], ['NaN', null]] });
    for (const bad of ['', '{}', '[]', '{"columns":[],"types":[],"rows":[[1]]}', 'null']) expect(() => parseTable(bad)).toThrow();
  });
  it('writes cells as text', () => {
    expect([null, 3, 0.1 + 0.2, true, '<b>', [1, { a: 2 }]].map(cellText)).toEqual(['', '3', '0.3', 'true', '<b>', '[1,{"a":2}]']);
  });
});
