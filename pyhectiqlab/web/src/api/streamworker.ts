// The worker that the tabs of one browser share: it holds their one stream. Unlike the browser's locks, it does not need HTTPS.

import { StreamHub, type Source } from './streamhub';

/** A message of a tab, at each change and from time to time: the address of the stream, and everything that the tab wants to hear. */
export interface Wish {
  url: string;
  queries: string[];
}

const SILENT_MS = 180_000; // a tab that has been silent for so long is dead

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
