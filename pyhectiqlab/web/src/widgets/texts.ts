// Every text that the pages show passes through here on its way into an element, because names, notes, keys and tags come from
// other people. It is one place, so that no page can forget it.

import { Fragment, options, type ComponentChildren, type VNode } from 'preact';
import { visible } from '../base/visible';

const SHOWN = ['title', 'aria-label', 'alt', 'placeholder', 'label'] as const;

function shown(children: ComponentChildren): ComponentChildren {
  if (typeof children === 'string') return visible(children);
  return Array.isArray(children) ? children.map(shown) : children;
}

/** Make all texts pass through `visible`. Call it before the first element is made. */
export function showTexts(): void {
  const before = options.vnode;
  options.vnode = (vnode: VNode) => {
    if (typeof vnode.type === 'string' || vnode.type === Fragment) {
      const props = vnode.props as Record<string, unknown>;
      if (props.children !== undefined) props.children = shown(props.children as ComponentChildren);
      for (const name of SHOWN) {
        const text = props[name];
        if (typeof text === 'string') props[name] = visible(text);
      }
    }
    before?.(vnode);
  };
}
