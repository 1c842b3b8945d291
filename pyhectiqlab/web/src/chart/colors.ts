// See base/looks.ts.

export { lookOf, type Dash, type Look } from '../base/looks';
