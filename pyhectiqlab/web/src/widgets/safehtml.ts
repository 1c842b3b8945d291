// Markdown of other people, as HTML that can only be read. Needs a DOM.

import DOMPurify from 'dompurify';
import { Marked } from 'marked';

const marked = new Marked({ gfm: true, async: false });
// A picture would be fetched from wherever its author says, so its description stands in its place.
marked.use({ renderer: { image: ({ text }) => escape(text) } });

// In texts of runs, line breaks have a meaning, and <unk> is a word.
const ofRuns = new Marked({ gfm: true, async: false, breaks: true });
ofRuns.use({
  renderer: {
    image: ({ text }) => escape(text),
    html: ({ text, block }) => (block ? `<p>${escape(text.trimEnd()).replaceAll('\n', '<br>')}</p>` : escape(text)),
  },
});

const purify = DOMPurify();
purify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName === 'A' && node.hasAttribute('href')) {
    node.setAttribute('target', '_blank');
    node.setAttribute('rel', 'noopener noreferrer nofollow');
  }
});

// No style, class or id: nothing may look like, or replace, a part of the page. No links into the lab's pages.
const TAGS = [
  'a', 'b', 'blockquote', 'br', 'code', 'dd', 'del', 'details', 'dl', 'dt', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'i', 'kbd', 'li',
  'ol', 'p', 'pre', 's', 'strong', 'sub', 'summary', 'sup', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul',
];
const RULES = { ALLOWED_TAGS: TAGS, ALLOWED_ATTR: ['href', 'align', 'start'], ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false };

/** Return Markdown as harmless HTML. `asText`: line breaks stay, and tags of HTML are shown as they were written. */
export function renderMarkdown(text: string, asText = false): string {
  return purify.sanitize((asText ? ofRuns : marked).parse(text) as string, RULES);
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
