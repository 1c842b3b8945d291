// What to do in an empty lab or project.

import { ROOT } from '../base/root';
import { Empty, Snippet } from '../widgets/basics';

export function FirstRun({ project }: { project?: string }) {
  const argument = project ? `project=${JSON.stringify(project)}` : '';
  return (
    <Empty title="No runs yet">
      <p>Every script that creates a run shows up here by itself, while it is still running. Try it:</p>
      <Snippet
        label="first_run.py"
        text={`from pyhectiqlab import Run

with Run(${argument}) as run:  # without a name, it gets a new one each time
    for step in range(1, 1001):
        run.add_metrics("train/loss", 1 / step, step=step)
`}
      />
      <p>A script on another machine first needs to know this lab and a key to it:</p>
      <Snippet label="Shell, on the other machine" text={`hectiqlab add-profile --url ${location.origin}${ROOT}`} />
    </Empty>
  );
}
