// A text in Markdown. What turns it into HTML is loaded when it is first needed; until then the text itself is shown.

import { useEffect, useState } from 'preact/hooks';
import { visible } from '../base/visible';

export function Markdown({ text }: { text: string }) {
  const [html, setHtml] = useState<string | null>(null);
  useEffect(() => {
    let wanted = true;
    setHtml(null);
    import('./safehtml').then(
      ({ renderMarkdown }) => wanted && setHtml(renderMarkdown(visible(text))),
      () => {}, // the lab is away: the plain text stays
    );
    return () => {
      wanted = false;
    };
  }, [text]);
  if (html === null) return <p class="note">{text}</p>;
  return <div class="markdown" dangerouslySetInnerHTML={{ __html: html }} />;
}
