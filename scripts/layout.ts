import { posix } from 'node:path';
import type { Door } from './doors.ts';
import { importsOf } from './imports.ts';

/** Lines of a source, and of any other file. */
const LONGEST = { source: 350, other: 550 };
const NO_CONCEPT = ['utils', 'util', 'helpers', 'common', 'misc'];

/** What several adapters are built on, and no user opens. */
const SHARED: ReadonlySet<string> = new Set(['keys', 'ranking', 'sqlite']);

/** Doors without a source, and adapters without a door: `rondo/<adapter>`, or `rondo/<adapter>/<file>` for a family. */
export function doorProblems(doors: readonly Door[], sources: Iterable<string>): string[] {
  const files = [...sources];
  const problems = doors.filter((d) => !files.includes(d.source)).map((d) => `${d.name}: exported, but ${d.source} does not exist`);
  const adapters = new Set(files.flatMap((file) => /^src\/adapters\/([^/]+)/.exec(file)?.[1] ?? []));
  for (const adapter of adapters) {
    if (SHARED.has(adapter)) continue;
    const folder = `src/adapters/${adapter}/`;
    const has = doors.some((d) => d.source.startsWith(folder));
    if (!has) problems.push(`${folder}: no entry of "exports" in package.json opens it`);
    else if (files.includes(`${folder}index.ts`) && !doors.some((d) => d.source === `${folder}index.ts`))
      problems.push(`${folder}index.ts: not in "exports" of package.json`);
  }
  return problems;
}

/** Files that no reader takes in at one sitting, and folders that name no concept. */
export function sizeProblems(files: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  for (const [file, text] of files) {
    const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
    const longest = file.startsWith('src/') ? LONGEST.source : LONGEST.other;
    if (lines > longest) problems.push(`${file}: ${lines} lines, more than ${longest}: which concept is missing?`);
    const vague = file.split('/').find((part) => NO_CONCEPT.includes(part.replace(/\.ts$/, '')));
    if (vague) problems.push(`${file}: "${vague}" names no concept`);
  }
  return problems;
}

/** Examples that reach into the repository, where a user's program imports the package. */
export function exampleProblems(files: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  for (const [file, text] of files) {
    const folder = file.split('/').slice(0, 2).join('/');
    for (const { specifier, line } of importsOf(file, text)) {
      if (!specifier.startsWith('.')) continue;
      const target = posix.join(posix.dirname(file), specifier);
      if (!target.startsWith(`${folder}/`) && !target.startsWith('examples/kit/'))
        problems.push(`${file}:${line}: imports ${specifier}: a user has only 'rondo' and its doors`);
    }
  }
  return problems;
}

/** A lock that names a registry installs only where that one is reached. */
export function lockProblems(text: string): string[] {
  const { packages } = JSON.parse(text) as { packages: Record<string, { resolved?: string }> };
  return Object.entries(packages).flatMap(([path, { resolved }]) =>
    resolved && /^\w+:\/\//.test(resolved) ? `package-lock.json: ${path} names where it comes from; .npmrc should prevent that` : [],
  );
}

/**
 * Of these lines at least so many are comments, in percent. A contract without its shapes, units and errors has to be found out by reading on.
 * It is a floor and not an aim: what a name says already is not said again.
 */
const COMMENTS = 16.5;

/** The share of comments in all lines of these files, in percent. */
export function commentShare(files: Iterable<string>): number {
  let lines = 0;
  let comments = 0;
  for (const text of files) {
    let open = false;
    for (const line of text.trimEnd().split('\n')) {
      const code = line.trim();
      lines++;
      if (open || code.startsWith('//') || code.startsWith('/*')) comments++;
      if (code.startsWith('/*')) open = true;
      if (code.includes('*/')) open = false;
    }
  }
  return lines === 0 ? 0 : (100 * comments) / lines;
}

/** @returns a problem if these files have too few comments. */
export function commentProblems(files: ReadonlyMap<string, string>): string[] {
  const share = commentShare(files.values());
  return share < COMMENTS ? [`${share.toFixed(2)}% of the lines are comments, less than ${COMMENTS}%: which contracts are missing?`] : [];
}
