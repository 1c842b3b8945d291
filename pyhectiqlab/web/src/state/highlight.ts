// The run that the reader points at, in the table or on a chart. All charts of the page bring it to the front.

import { Store } from './store';

export const highlighted = new Store<string | null>(null);
