// The worker that the tabs of one browser share: it holds their one stream. It needs no HTTPS, as locks of tabs would.

import { StreamHub, type Source } from './streamhub';

/** From a tab, at each change and now and then: where the stream is, and all that the tab wants to hear. */
export interface Wish {
  url: string;
  queries: string[];
}

const SILENT_MS = 180_000; // a tab that said nothing for so long has died

const scope = self as unknown as { onconnect: (e: MessageEvent) => void };
const said = new Map<MessagePort, number>();
let url = '';
const hub = new StreamHub<MessagePort>(
  (query) => new EventSource(`${url}?${query}`) as Source,
  (port, brought) => port.postMessage(brought),
);

scope.onconnect = ({ ports }) => {
  const port = ports[0]!;
  port.onmessage = ({ data }: MessageEvent<Wish>) => {
    url = data.url;
    said.set(port, Date.now());
    hub.want(port, data.queries);
  };
};

setInterval(() => {
  for (const [port, at] of said) {
    if (Date.now() - at <= SILENT_MS) continue;
    said.delete(port);
    hub.want(port, []);
  }
}, SILENT_MS / 3);
