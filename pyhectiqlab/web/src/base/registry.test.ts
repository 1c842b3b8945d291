import { describe, expect, it } from 'vitest';
import { downloadByPython, downloadByShell, isAlias, registryUrl, type Version } from './registry';

const version: Version = {
  uuid: 'u', kind: 'models', name: "it's", version: '1.0.0', aliases: [], short_description: '', description: '', files: 1, bytes: 1,
  author: 'alice', created: 0, run: null, project: { id: 'p1', name: 'vision' },
};

describe('models and datasets', () => {
  it('knows what can be an alias', () => {
    expect(['best', 'a-1_b', 'p'.repeat(64)].every(isAlias)).toBe(true);
    expect(['latest', 'Best', '1.0.0', '', 'a,b', 'p'.repeat(65), 'é'].some(isAlias)).toBe(false);
  });
  it('writes names into links and commands so that they stay names', () => {
    expect(registryUrl('a/b', 'models', 'x y', '1.0.0')).toBe('/projects/a%2Fb/models/x%20y?version=1.0.0');
    expect(downloadByShell(version, 'best')).toBe("hectiqlab download-mlmodel -p p1 -n 'it'\\''s' -v best");
    expect(downloadByPython(version, '1.0.0')).toContain('name="it\'s", version="1.0.0"');
  });
});
