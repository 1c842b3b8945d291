// A button that copies the Python code for the rows of a table. The code that writes it is loaded at the first click.

import { useState } from 'preact/hooks';
import { copy } from '../widgets/basics';

interface Props {
  project: string;
  filter: readonly string[];
  sorts: readonly string[];
  columns: readonly string[];
}

export function CopyPython(props: Props) {
  const [copied, setCopied] = useState('');
  const asked = JSON.stringify(props);
  const take = async () => {
    const { tablePython } = await import('../base/tablepython');
    if (await copy(tablePython(props))) setCopied(asked);
  };
  return (
    <button class="link" title="Copy the Python that gives these rows with these columns" onClick={() => void take().catch(() => undefined)}>
      {copied === asked ? 'Copied' : 'Python'}
    </button>
  );
}
