// A text in Markdown. The code that makes HTML of it is loaded when it is first needed; until then the text itself is shown.

import { useEffect, useState } from 'preact/hooks';
import { visible } from '../base/visible';

/** `asText`: a text of a run; see renderMarkdown. */
export function Markdown({ text, asText = false }: { text: string; asText?: boolean }) {
  const [html, setHtml] = useState<string | null>(null);
  useEffect(() => {
    let wanted = true;
    setHtml(null);
    import('./safehtml').then(
      ({ renderMarkdown }) => wanted && setHtml(renderMarkdown(visible(text), asText)),
      () => {}, // the lab is away: show the plain text
    );
    return () => {
      wanted = false;
    };
  }, [text, asText]);
  if (html === null) return <p class="note">{text}</p>;
  return <div class="markdown" dangerouslySetInnerHTML={{ __html: html }} />;
}

/** A section of a page with a text in Markdown, which can also be shown as it was written. */
export function MarkdownBlock({ title, text, wide = false }: { title: string; text: string; wide?: boolean }) {
  const [source, setSource] = useState(false);
  return (
    <section class={`block ${wide ? 'wide' : ''}`} aria-label={title}>
      <h2>
        {title}
        <SourceButton source={source} setSource={setSource} />
      </h2>
      {source ? <pre class="note" tabIndex={0}>{text}</pre> : <Markdown text={text} asText />}
    </section>
  );
}

/** A text that may be Markdown or anything else. It is shown as it was written until somebody asks for Markdown. */
export function TextOrMarkdown({ text }: { text: string }) {
  const [source, setSource] = useState(true);
  return (
    <div class="text-or-markdown">
      {source ? <pre class="medium-text" tabIndex={0}>{text}</pre> : <div class="medium-text formatted" tabIndex={0}><Markdown text={text} asText /></div>}
      <SourceButton source={source} setSource={setSource} />
    </div>
  );
}

function SourceButton({ source, setSource }: { source: boolean; setSource: (source: boolean) => void }) {
  return <button class="link source-button" type="button" onClick={() => setSource(!source)}>{source ? 'As Markdown' : 'Source'}</button>;
}
