// What few charts need, loaded when one of them is there or is made: the editor of charts of one's own, and those that are no lines
// over the page's axis.

export { HistogramPanel } from './histogrampanel';
export { OwnEditor } from './owneditor';
export { RunsPanel } from './runspanel';
export { XyPanel } from './xypanel';
