// Python code that returns the rows of a table: its search, its sort order and its columns. Pure.

interface Table {
  project: string;
  filter: readonly string[];
  sorts: readonly string[];
  columns: readonly string[];
}

export function tablePython({ project, filter, sorts, columns }: Table): string {
  const asked = [quoted(project), ...(filter.length ? [listed(filter)] : [])].join(', ');
  return `from pyhectiqlab import search_runs

runs = search_runs(${asked})
rows = list(runs.rows(${listed(columns)}, sort=${listed(sorts)}))
for row in rows:
    print(row)
`;
}

/** The escapes of JSON are also those of Python. */
const quoted = (text: string) => JSON.stringify(text);
const listed = (texts: readonly string[]) => `[${texts.map(quoted).join(', ')}]`;
