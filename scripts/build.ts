// Builds `dist`: one file a door, one for the core they share, and the declarations. Node takes about a third of a millisecond
// to load a file, so the core as one file starts in half the time of the core as sixty.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { builtinModules, isBuiltin } from 'node:module';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { esmExternalRequirePlugin } from 'rolldown/plugins';
import * as assets from '../src/cli/bench/assets.ts';
import { doors, root } from './doors.ts';
import { loadedBy } from './imports.ts';
import { run } from './run.ts';

// a file that was renamed must not stay behind in the package
rmSync(join(root, 'dist'), { recursive: true, force: true });

const declarations = await run('tsc', ['-p', 'tsconfig.build.json', '--pretty', 'false']);
process.stdout.write(declarations.output);
if (!declarations.ok) process.exit(1);

/**
 * Built into the core: a library that calls `require` of Node's own modules stops an ESM bundle that a user makes of his application. Built
 * into the command: what it needs, so that the package does not depend on it.
 */
const BUILT_IN = { core: ['opossum'], command: ['commander', 'cli-table3', 'cli-progress', 'string-width'] };
/** Asked for by cli-table3 in a `try`, for styles that the command does not use. */
const LEFT_OUT = '@colors/colors';
const built = [...BUILT_IN.core, ...BUILT_IN.command];
const isCore = (id: string) => BUILT_IN.core.some((name) => id === name || id.includes(`/node_modules/${name}/`));
/** A library of the command, or what such a library needs. */
const isBuiltIn = (id: string, importer = '') =>
  built.some((name) => id === name || id.startsWith(`${name}/`)) || importer.includes('/node_modules/');
const ofNode = [...builtinModules, /^node:/];
/** What the bundler makes itself. */
const VIRTUAL = /^(\0|builtin:)/;

/** The licences of the libraries in a file that is built, whole, as they demand. */
function licences(moduleIds: readonly string[]): string {
  const folders = moduleIds.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id.replaceAll('\\', '/'))?.[0] ?? []);
  return [...new Set(folders)]
    .map((folder) => {
      const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
      const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, string>;
      if (!file) throw new Error(`${name} is built in, and has no licence file`);
      // the package is under the Apache License itself, and holds its text
      const text = license === 'Apache-2.0' ? '' : `\n\n${readFileSync(join(folder, file), 'utf8').trim().replaceAll('*/', '* /')}\n`;
      return `/*! With ${name} ${version}, ${license}.${text} */`;
    })
    .join('\n');
}

/** The script and the style of the page, as text. */
function assetsOf(id: string): string | undefined {
  if (!id.replaceAll('\\', '/').endsWith('/src/cli/bench/assets.ts')) return undefined;
  return Object.entries(assets)
    .map(([name, text]) => `export const ${name} = ${JSON.stringify(text)};`)
    .join('\n');
}

const core = loadedBy(join(root, 'src', 'index.ts'));
const inputs = [...doors(), { built: 'dist/cli/main.js', source: 'src/cli/main.ts' }];
const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries(inputs.map(({ built, source }) => [built.replace(/^dist\/|\.js$/g, ''), source])),
  platform: 'node',
  external: (id, importer) =>
    id.startsWith(LEFT_OUT) || (/^[@a-z]/.test(id) && !isBuiltIn(id, importer) && !isBuiltin(id) && !VIRTUAL.test(id)),
  plugins: [esmExternalRequirePlugin({ external: ofNode }), { name: 'assets', load: assetsOf }],
  transform: { target: 'es2023' },
  tsconfig: false,
});
await bundle.write({
  dir: 'dist',
  format: 'esm',
  chunkFileNames: 'shared/[name].js',
  banner: ({ moduleIds }) => licences(moduleIds),
  comments: { legal: true, annotation: true, jsdoc: false },
  codeSplitting: { groups: [{ name: 'core', test: (id) => core.has(id) || isCore(id) || VIRTUAL.test(id) }] },
});
