import { expect, test } from 'vitest';
import { doors } from '../../scripts/doors.ts';
import { commentProblems, commentShare, doorProblems, exampleProblems, lockProblems, sizeProblems } from '../../scripts/layout.ts';

const target = (file: string) => ({ types: `./dist/${file}.d.ts`, default: `./dist/${file}.js` });
const made = doors({
  name: 'rondo',
  exports: { '.': target('index'), './journal/sqlite': target('adapters/journal/sqlite'), './package.json': './package.json' },
});

test('doors are read off exports', () => {
  expect(made).toEqual([
    { name: 'rondo', types: 'dist/index.d.ts', built: 'dist/index.js', source: 'src/index.ts' },
    {
      name: 'rondo/journal/sqlite',
      types: 'dist/adapters/journal/sqlite.d.ts',
      built: 'dist/adapters/journal/sqlite.js',
      source: 'src/adapters/journal/sqlite.ts',
    },
  ]);
});

test('a door has a source, an adapter a door', () => {
  const sources = ['src/index.ts', 'src/adapters/journal/sqlite.ts', 'src/adapters/journal/pragmas.ts'];
  expect(doorProblems(made, sources)).toEqual([]);
  expect(doorProblems(made, sources.slice(1))).toEqual([expect.stringContaining('src/index.ts does not exist')]);
  expect(doorProblems(made, [...sources, 'src/adapters/http/sse.ts'])).toEqual([expect.stringContaining('src/adapters/http/: no entry')]);
  expect(doorProblems(made, [...sources, 'src/adapters/journal/index.ts'])).toEqual([expect.stringContaining('not in "exports"')]);
});

test('a source has at most 350 lines, any other file 550, its folder a concept', () => {
  const lines = (n: number) => 'x\n'.repeat(n);
  expect(sizeProblems(new Map([['src/a.ts', lines(350)]]))).toEqual([]);
  expect(sizeProblems(new Map([['src/a.ts', lines(351)]]))).toEqual([expect.stringContaining('351 lines')]);
  expect(sizeProblems(new Map([['src/utils/a.ts', '']]))).toEqual([expect.stringContaining('"utils" names no concept')]);
});

test('an example imports only what a user has', () => {
  const one = (text: string) => exampleProblems(new Map([['examples/one/tools/a.ts', text]]));
  expect(one("import 'rondo'; import '../main.ts'; import './b.ts';")).toEqual([]);
  expect(one("import '../../kit/screen.ts';")).toEqual([]);
  expect(one("import '../../../src/index.ts';")).toHaveLength(1);
  expect(one("import '../../two/main.ts';")).toHaveLength(1);
});

test('the lock names no registry', () => {
  const lock = (resolved?: string) => JSON.stringify({ packages: { '': {}, 'node_modules/a': { version: '1.0.0', resolved } } });
  expect(lockProblems(lock())).toEqual([]);
  expect(lockProblems(lock('https://registry.example/a-1.0.0.tgz'))).toEqual([expect.stringContaining('node_modules/a')]);
});

test('counts comments by lines, also those of several lines, and not those behind code', () => {
  const text = '/** One. */\nconst a = 1; // behind\n/*\n * two\n */\n// three\nconst b = 2;\n\n';
  expect(commentShare([text])).toBeCloseTo((100 * 5) / 7);
  expect(commentProblems(new Map([['a.ts', text]]))).toEqual([]);
  expect(commentProblems(new Map([['a.ts', 'const a = 1;\n']]))).toEqual([expect.stringContaining('0.00% of the lines are comments')]);
});
