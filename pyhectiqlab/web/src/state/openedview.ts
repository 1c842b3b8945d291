// The saved view that a project's page was opened with, and what was changed since. The link has everything that somebody sees
// except the arrangement of the charts and the looks of runs. The browser keeps these until they are saved.

import { useEffect, useMemo, useRef } from 'preact/hooks';
import { NO_VIEW, type RunsRoute } from '../base/route';
import { changesOf, firstOf, isBare, isFirst, linkOf, readDocument, routeOf, writeDocument, type SavedState } from '../base/savedview';
import type { ViewAnswer } from '../schema/lab';
import { beginBoard, boardOf, resetBoard } from './keptboard';
import { navigate } from './router';
import { adoptLooks, chosen, keptLooks } from './runlooks';
import type { SavedViews } from './savedviews';
import { setSplitShare, splitShare } from './splitshare';
import { useStore } from './store';

export interface OpenedView {
  view: ViewAnswer | null;
  /** The link names a view that is gone, or that the reader may not see. */
  gone: boolean;
  /** The page is on its way to the link of a view, so there is nothing to draw yet. */
  opening: boolean;
  /** The name under which the arrangement of the charts is kept. */
  board: string;
  /** How the page differs from the saved view, in words. */
  changes: readonly string[];
  /** Open a view; null: what the page shows without one. */
  open: (view: ViewAnswer | null) => void;
  /** Save what the page shows: under a new name, or in the view that is open. */
  saveAs: (name: string, shared: boolean) => Promise<boolean>;
  save: () => Promise<boolean>;
  /** Delete the view. The page stays as it is. */
  remove: () => Promise<void>;
  /** Set whether the project opens with this view, for all who see it. */
  setFirst: (on: boolean) => Promise<boolean>;
}

const boardName = (project: string, view: ViewAnswer | null) => (view ? `${project}.${view.id}` : project);

/** `project`: its id. `columns`: those that somebody chose. `drawn`: the runs that are drawn. */
export function useOpenedView(route: RunsRoute, project: string, views: SavedViews, columns: readonly string[], drawn: readonly string[]): OpenedView {
  const { saved, project: ref } = route;
  const known = views.all !== null;
  const view = views.all?.find(({ id }) => id === saved) ?? null;
  const first = views.all && saved === null ? firstOf(views.all) : null;
  // A link without settings opens the view that it names, or the one that the project opens with.
  const target = isBare(route) ? (view ?? first) : null;
  const asked = `${ref}?${saved}`;
  const answered = useRef('');
  const opening = !known || (answered.current !== asked && target !== null && (target !== view || readDocument(target.document).link !== ''));

  const show = (its: ViewAnswer, replace: boolean) => {
    const state = readDocument(its.document);
    adoptLooks(project, state.looks);
    if (state.split !== null) setSplitShare(state.split);
    navigate(routeOf(ref, state.link, its.id), replace);
  };
  useEffect(() => {
    if (!known || answered.current === asked) return;
    answered.current = `${ref}?${target?.id ?? saved}`;
    if (target) show(target, true);
  }, [known, asked]);

  const board = boardName(project, view);
  useMemo(() => view && beginBoard(board, readDocument(view.document).board), [board, view?.version]);
  const settings = useStore(boardOf(board));
  const split = useStore(splitShare);
  const painted = useStore(chosen);
  const link = linkOf({ ...route, columns: [...columns] });
  const state: SavedState = { link, board: settings, looks: keptLooks(project, drawn), split };
  const changes = useMemo(() => {
    if (!view) return [];
    const before = readDocument(view.document);
    return changesOf(before, { ...state, looks: keptLooks(project, Object.keys(before.looks)) });
  }, [view, project, link, settings, split, painted]);

  const open = (its: ViewAnswer | null) => {
    if (its) {
      resetBoard(boardName(project, its), readDocument(its.document).board);
      show(its, false);
    } else navigate(routeOf(ref, '', views.all && firstOf(views.all) ? NO_VIEW : null), false);
  };
  const goTo = (its: ViewAnswer | null) => {
    if (its) navigate({ ...route, columns: [...columns], saved: its.id }, true);
    return its !== null;
  };
  const saveAs = async (name: string, shared: boolean) => goTo(await views.make({ name, shared, document: writeDocument(state, false) }));
  const save = async () => {
    const its = await views.change(view!, { document: writeDocument(state, isFirst(view!.document)) });
    if (its) resetBoard(board, settings);
    return goTo(its);
  };
  const remove = async () => {
    if (await views.remove(view!)) navigate({ ...route, columns: [...columns], saved: NO_VIEW }, true);
  };
  const setFirst = async (on: boolean) => {
    const others = views.all!.filter((other) => other.id !== view!.id && other.shared === view!.shared && other.can_change && isFirst(other.document));
    for (const other of on ? others : []) await views.change(other, { document: { ...other.document, first: false } });
    return (await views.change(view!, { document: { ...view!.document, first: on } })) !== null;
  };
  return { view, gone: known && saved !== null && saved !== NO_VIEW && !view, opening, board, changes, open, saveAs, save, remove, setFirst };
}
