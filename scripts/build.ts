// Builds `dist`: one file a door, one for the core they share, and the declarations. Node takes about a third of a millisecond
// to load a file, so the core as one file starts in half the time of the core as sixty.
import { readFileSync, rmSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { rolldown } from 'rolldown';
import { doors, root } from './doors.ts';
import { importsOf } from './imports.ts';
import { run } from './run.ts';

// a file that was renamed must not stay behind in the package
rmSync(join(root, 'dist'), { recursive: true, force: true });

const declarations = await run('tsc', ['-p', 'tsconfig.build.json', '--pretty', 'false']);
process.stdout.write(declarations.output);
if (!declarations.ok) process.exit(1);

/** The files that a file loads, itself included. */
function loaded(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const { specifier, kind } of importsOf(file, readFileSync(file, 'utf8')))
    if (kind === 'value' && specifier.startsWith('.')) loaded(join(file, '..', specifier), seen);
  return seen;
}

const core = loaded(join(root, 'src', 'index.ts'));
const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries(doors().map(({ built, source }) => [built.replace(/^dist\/|\.js$/g, ''), source])),
  platform: 'node',
  external: (id) => !id.startsWith('.') && !isAbsolute(id),
  transform: { target: 'es2023' },
  tsconfig: false,
});
await bundle.write({
  dir: 'dist',
  format: 'esm',
  chunkFileNames: 'shared/[name].js',
  comments: { legal: true, annotation: true, jsdoc: false },
  codeSplitting: { groups: [{ name: 'core', test: (id) => core.has(id) }] },
});
