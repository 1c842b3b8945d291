import { expect, test } from 'vitest';
import cases from '../../../../tests/cases/aliases.json';
import { isAlias } from './kinds';

test.each(cases.aliases)('%j can be an alias', (text) => expect(isAlias(text)).toBe(true));
test.each(cases.others)('%j cannot be an alias', (text) => expect(isAlias(text)).toBe(false));
