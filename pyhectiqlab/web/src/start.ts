// The first script of a page: it asks for what the page shows first, while the other scripts are still on their way.

import 'uplot/dist/uPlot.min.css';
import './styles.css';
import './media.css';
import { askAhead } from './state/asked';
import { currentRoute } from './state/router';

askAhead(currentRoute());
void import('./main');
