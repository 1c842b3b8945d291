// From the git remote of a repository to the page of a commit.

const WORD = /^[\w.~-]+$/;

/**
 * Return the address of a commit's page, if the remote is on a host like GitHub, GitLab, Bitbucket or Gitea; else null. The
 * remote comes from a script: if it is not a plain host and path, there is no link.
 */
export function commitLink(remote: unknown, commit: unknown): string | null {
  if (typeof remote !== 'string' || typeof commit !== 'string' || !/^[0-9a-f]{7,64}$/.test(commit)) return null;
  const match =
    /^(?:https?|ssh|git):\/\/(?:[^@/]*@)?([^/:]+)(?::\d+)?\/(.+?)\/?$/.exec(remote) ?? /^(?:[^@/:]*@)?([^/:]+):([^/].*?)\/?$/.exec(remote);
  if (!match) return null;
  const host = (match[1] as string).toLowerCase();
  const path = (match[2] as string).replace(/\.git$/, '');
  const parts = path.split('/');
  if (!WORD.test(host) || parts.length < 2 || !parts.every((part) => WORD.test(part) && part !== '..')) return null;
  const view = host.includes('gitlab') ? '-/commit' : host.includes('bitbucket') ? 'commits' : 'commit';
  return /github|gitlab|bitbucket|gitea|codeberg|forgejo/.test(host) ? `https://${host}/${path}/${view}/${commit}` : null;
}
