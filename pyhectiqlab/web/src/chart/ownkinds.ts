// What few charts need, loaded when one of them is there or is made: the editor of charts of one's own, those that are no lines over
// the page's axis, and choosing what lines are told apart by.

export { AssignChoices } from './assignchoices';
export { HistogramPanel } from './histogrampanel';
export { OwnEditor } from './owneditor';
export { RunsPanel } from './runspanel';
export { XyPanel } from './xypanel';
