import { expect, test } from 'vitest';
import { artifactByPython, artifactByShell, versionByPython, versionByShell } from './snippets';

const project = { id: 'p1', name: 'vision' };
const plain = { uuid: '0a', name: 'a.png', step: null, run: 'r1', project };

function artifact(change: Partial<Parameters<typeof artifactByShell>[0]>) {
  return { ...plain, ...change };
}

test('the command names the run or the project, the step, and survives odd names', () => {
  expect(artifactByShell(artifact({}))).toBe('hectiqlab artifacts --run r1 --download a.png');
  expect(artifactByShell(artifact({ run: null, step: 5 }))).toBe('hectiqlab artifacts p1 --download a.png --step 5');
  expect(artifactByShell(artifact({ name: "it's; rm -rf" }))).toBe(`hectiqlab artifacts --run r1 --download 'it'\\''s; rm -rf'`);
  expect(artifactByShell(artifact({ name: '-x' }))).toContain(`'-x'`);
});

test('the Python names this very version', () => {
  expect(artifactByPython(artifact({ uuid: '0af3' }))).toContain('download_existing_run_artifact("0af3", "./")');
});

test('names stay names in the code that downloads a version', () => {
  const version = { kind: 'models', name: "it's", project } as const;
  expect(versionByShell(version, 'best')).toBe("hectiqlab download-mlmodel -p p1 -n 'it'\\''s' -v best");
  expect(versionByPython(version, '1.0.0')).toContain('name="it\'s", version="1.0.0"');
  expect(versionByPython({ ...version, kind: 'datasets' }, 'best')).toContain('run.download_dataset(');
});
