// Files: those of a run, and those that the runs of a project share. Each name is a row, with its steps and versions.

import { useEffect, useState } from 'preact/hooks';
import { loadArtifacts, type Holder } from '../api/artifacts';
import { formatBytes, formatInteger, plural } from '../base/format';
import { groupByName, type Group } from '../base/group';
import { contentUrl, isImage, runUrl } from '../base/links';
import { isMedium, shownName } from '../base/mediafiles';
import { isOver } from '../base/runstate';
import { artifactByPython, artifactByShell } from '../base/snippets';
import type { ArtifactAnswer, RunDetailAnswer } from '../schema/lab';
import { useNow } from '../state/clock';
import { useLive } from '../state/live';
import { useLoad } from '../state/load';
import { CopyButton, Empty, Moment, Snippet, Waiting } from '../widgets/basics';

export function RunArtifacts({ run, onNews }: { run: RunDetailAnswer; onNews: () => void }) {
  const of = { run: run.id };
  const { data, error, refresh } = useLoad((signal) => loadArtifacts(of, signal), [run.id]);
  const [withMedia, setWithMedia] = useState(false);
  const look = () => {
    refresh();
    onNews();
  };
  useLive({ runs: [run.id] }, { run: look, state: onNews, missed: look });
  if (error) return <Empty title="The artifacts cannot be shown"><p>{error.message}</p></Empty>;
  if (!data) return <Waiting />;
  const media = groupByName(data.items.filter(isMedium)).length;
  const shown = withMedia ? data.items : data.items.filter((artifact) => !isMedium(artifact));
  const mediaToo = media > 0 && (
    <div class="controls">
      <span class="dim">{plural(media, 'figure, image, table or text is', 'figures, images, tables and texts are')} under <a href={`${runUrl(run.id)}?tab=media`}>Media</a>.</span>
      <label class="check"><input type="checkbox" checked={withMedia} onChange={(e) => setWithMedia(e.currentTarget.checked)} />List their files here too</label>
    </div>
  );
  if (!shown.length) {
    if (isOver(run.state)) return <>{mediaToo}<Empty title={media ? 'No other artifacts' : 'No artifacts'}><p>This run ended without keeping {media ? 'another file' : 'a file'}.</p></Empty></>;
    return (
      <>
        {mediaToo}
        <Empty title={media ? 'No other artifacts yet' : 'No artifacts yet'}>
          <p>A script keeps a file with its run by one call, which returns at once:</p>
          <Snippet label="Python" text={'run.add_artifact("model.pt")\nrun.add_artifact("test.png", step=5)'} />
        </Empty>
      </>
    );
  }
  return (
    <>
      {mediaToo}
      <List items={shown} complete={data.complete} of={of} label="Artifacts" />
    </>
  );
}

/** The files that the runs of a project share. If there are none, show nothing. */
export function SharedArtifacts({ project }: { project: string }) {
  const of = { project };
  const { data } = useLoad((signal) => loadArtifacts(of, signal), [project]);
  if (!data || !data.items.length) return null;
  return (
    <section class="shared">
      <h2>Shared artifacts</h2>
      <List items={data.items} complete={data.complete} of={of} label="Shared artifacts" />
    </section>
  );
}

function List(props: { items: ArtifactAnswer[]; complete: boolean; of: Holder; label: string }) {
  const groups = groupByName(props.items);
  const now = useNow(true);
  return (
    <>
      {!props.complete && <p class="dim">Only the first {formatInteger(props.items.length)} are shown.</p>}
      <ul class="files" aria-label={props.label}>
        {groups.map((group) => <Row key={group.name} group={group} of={props.of} now={now} />)}
      </ul>
    </>
  );
}

function Row({ group, of, now }: { group: Group<ArtifactAnswer>; of: Holder; now: number }) {
  const [chosen, setChosen] = useState<number | null>(null); // null: always the newest step
  const [old, setOld] = useState<ArtifactAnswer | null>(null); // an earlier version that somebody picked
  const last = group.items.length - 1;
  const at = Math.min(chosen ?? last, last);
  const newest = group.items[at]!;
  const name = shownName(newest);
  const shown = old && old.step === newest.step ? old : newest;
  return (
    <li class="block file" data-name={group.name}>
      <div class="file-head">
        <h3 class="name" title={name}>{name}</h3>
        <a class="button" href={contentUrl(shown)} download={shown.name}>Download</a>
      </div>
      <dl class="facts">
        <div><dt>Size</dt><dd class="num" title={plural(shown.bytes, 'byte')}>{formatBytes(shown.bytes)}</dd></div>
        <div><dt>Version</dt><dd><Versions newest={newest} shown={shown} of={of} onPick={setOld} /></dd></div>
        <div><dt>Created</dt><dd><Moment time={shown.created} now={now} /></dd></div>
        <div><dt>Author</dt><dd>{shown.author}</dd></div>
        <div><dt>SHA-256</dt><dd class="with-copy"><code>{shown.digest.slice(0, 12)}…</code><CopyButton text={shown.digest} label="Copy the SHA-256" /></dd></div>
      </dl>
      {group.items.length > 1 && (
        <label class="steps">
          <span>Step <b class="num">{newest.step ?? 'none'}</b></span>
          <input
            type="range"
            min={0}
            max={last}
            value={at}
            aria-label={`Step of ${name}`}
            aria-valuetext={newest.step === null ? 'no step' : `step ${newest.step}`}
            onInput={(e) => {
              setChosen(Number(e.currentTarget.value));
              setOld(null);
            }}
          />
          <span class="dim">{at + 1} of {last + 1}</span>
        </label>
      )}
      {group.items.length === 1 && newest.step !== null && <p class="dim">Step {newest.step}</p>}
      {isImage(shown.name) && (
        <a href={contentUrl(shown, true)} target="_blank" rel="noopener" class="preview">
          <img src={contentUrl(shown, true)} alt={`${name}${shown.step === null ? '' : `, step ${shown.step}`}`} loading="lazy" />
        </a>
      )}
      <details class="snippets">
        <summary>Download by code</summary>
        <Snippet label="Python" text={artifactByPython(shown)} />
        {shown.newest && <Snippet label="Shell" text={artifactByShell(shown)} />}
      </details>
    </li>
  );
}

/** The version that is shown. If there are others, the reader can choose; the list is loaded when it is first opened. */
function Versions(props: { newest: ArtifactAnswer; shown: ArtifactAnswer; of: Holder; onPick: (artifact: ArtifactAnswer | null) => void }) {
  const { newest, shown, of, onPick } = props;
  const [all, setAll] = useState<ArtifactAnswer[]>([]);
  useEffect(() => setAll([]), [newest.uuid]);
  if (newest.version === 1) return <>1</>;
  const load = () => {
    if (all.length) return;
    loadArtifacts(of, AbortSignal.timeout(30_000), { name: newest.name, step: newest.step }).then(
      (page) => setAll(page.items),
      () => {}, // the lab is away: the line above the page says so, and the next look asks again
    );
  };
  const options = all.length ? all : [newest];
  return (
    <select
      aria-label={`Version of ${shownName(newest)}`}
      value={shown.uuid}
      onFocus={load}
      onMouseEnter={load}
      onChange={(e) => onPick(options.find((a) => a.uuid === e.currentTarget.value) ?? null)}
    >
      {options.map((a) => <option key={a.uuid} value={a.uuid}>{a.version}{a.newest ? ' (newest)' : ''}</option>)}
    </select>
  );
}
