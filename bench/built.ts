/** The package as a new process loads it. */
import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../scripts/doors.ts';

export interface Found {
  /** Says what was measured. */
  from: string;
  file(name: string): string;
}

/** What a user gets, if it is built; else the sources. */
export function found(): Found {
  const dist = join(root, 'dist');
  const index = statSync(join(dist, 'index.js'), { throwIfNoEntry: false });
  if (!index) return SOURCES;
  const stale = globSync('src/**/*.ts', { cwd: root }).some((file) => statSync(join(root, file)).mtimeMs > index.mtimeMs);
  return { from: stale ? 'dist, older than the sources' : 'dist', file: (name) => join(dist, `${name}.js`) };
}

export const SOURCES: Found = { from: 'the sources, not built', file: (name) => join(root, 'src', `${name}.ts`) };

export const imported = (path: string) => `import ${JSON.stringify(pathToFileURL(path).href)};\n`;
