import { expect, test } from 'vitest';
import { parseExact, stringifyExact } from './exact';

test('whole numbers beyond 2^53 stay what they are, all else is as ever', () => {
  const text = '{"seed":5386429851683749281,"low":-9223372036854775808,"list":[18446744073709551615,9007199254740993],"safe":9007199254740991,"float":5386429851683749000.0,"exp":1e300,"text":"a \\\"5386429851683749281"}';
  expect(parseExact(text)).toEqual({
    seed: 5386429851683749281n,
    low: -9223372036854775808n,
    list: [18446744073709551615n, 9007199254740993n],
    safe: 9007199254740991,
    float: 5386429851683749000,
    exp: 1e300,
    text: 'a "5386429851683749281',
  });
  expect(parseExact('[0.12345678901234567,-1.0000000000000002e-12345678901234567,5386429851683749281]')).toEqual([0.12345678901234567, -0, 5386429851683749281n]);
  expect(parseExact('[1, 2.5, "a", null]')).toEqual([1, 2.5, 'a', null]);
});

test('what was read is written as it was', () => {
  const text = '{"seed":5386429851683749281,"more":[9007199254740993,1.5,"x"]}';
  expect(stringifyExact(parseExact(text))).toBe(text);
});

test('what is no JSON is refused', () => {
  expect(() => parseExact('{"a": 12345678901234567890')).toThrow(SyntaxError);
});
