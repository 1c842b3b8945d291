// Code that few charts need, loaded when such a chart is there or is being made: the editor of charts, the kinds that draw no
// lines over the page's axis, and choosing what tells lines apart.

export { AssignChoices } from './assignchoices';
export { HistogramPanel } from './histogrampanel';
export { OwnEditor } from './owneditor';
export { RunsPanel } from './runspanel';
export { XyPanel } from './xypanel';
