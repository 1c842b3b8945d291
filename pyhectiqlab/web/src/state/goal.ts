// The objective of the project whose page is open; null: it has none, or the page is not of a project.

import type { Objective } from '../base/objective';
import { Store } from './store';

export const goal = new Store<Objective | null>(null);
