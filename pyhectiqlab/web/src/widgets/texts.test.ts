import { Fragment, h, type VNode } from 'preact';
import { expect, test } from 'vitest';
import { showTexts } from './texts';

showTexts();

test('what is shown of other people passes, in whatever element it stands', () => {
  const name = 'photo\u202egnp.exe';
  const shown = 'photo\ufffdgnp.exe';
  const made = h('h3', { title: name, class: 'x' }, name, ['a', [name]], h(Fragment, null, name)) as VNode<any>;
  expect(made.props.title).toBe(shown);
  const [own, listed, fragment] = made.props.children;
  expect(own).toBe(shown);
  expect(listed).toEqual(['a', [shown]]);
  expect(fragment.props.children).toBe(shown);
});

test('what is typed, and what elements are given to work with, stays as it is', () => {
  const name = 'a\u200bb';
  const Part = () => null;
  expect((h('input', { value: name }) as VNode<any>).props.value).toBe(name);
  expect((h(Part, { name } as any) as VNode<any>).props.name).toBe(name);
});
