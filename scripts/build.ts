// Builds `dist`: one file a door, one for the core they share, and the declarations. Node takes about a third of a millisecond
// to load a file, so the core as one file starts in half the time of the core as sixty.
import { readFileSync, rmSync } from 'node:fs';
import { builtinModules, isBuiltin } from 'node:module';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { esmExternalRequirePlugin } from 'rolldown/plugins';
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

// A library that calls `require` of Node's own modules stops an ESM bundle that a user makes of his application: it is built in, with
// imports in place of those calls. Its licence is that of this package.
const BUILT_IN = 'opossum';
const isBuiltIn = (id: string) => id === BUILT_IN || id.includes(`/node_modules/${BUILT_IN}/`);
const ofNode = [...builtinModules, /^node:/];
/** What the bundler makes itself. */
const VIRTUAL = /^(\0|builtin:)/;
const core = loaded(join(root, 'src', 'index.ts'));
const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries(doors().map(({ built, source }) => [built.replace(/^dist\/|\.js$/g, ''), source])),
  platform: 'node',
  external: (id) => /^[@a-z]/.test(id) && !isBuiltIn(id) && !isBuiltin(id) && !VIRTUAL.test(id),
  plugins: [esmExternalRequirePlugin({ external: ofNode })],
  transform: { target: 'es2023' },
  tsconfig: false,
});
await bundle.write({
  dir: 'dist',
  format: 'esm',
  chunkFileNames: 'shared/[name].js',
  banner: ({ name }) =>
    name === 'core' ? `/*! With ${BUILT_IN}, https://github.com/nodeshift/opossum, under the Apache License 2.0. */` : '',
  comments: { legal: true, annotation: true, jsdoc: false },
  codeSplitting: { groups: [{ name: 'core', test: (id) => core.has(id) || isBuiltIn(id) || VIRTUAL.test(id) }] },
});
