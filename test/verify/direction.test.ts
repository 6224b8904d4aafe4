import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { directionProblems, LAYERS } from '../../scripts/direction.ts';
import { importsOf } from '../../scripts/imports.ts';

const PEERS = ['@aws-sdk/client-bedrock-runtime', '@modelcontextprotocol/sdk', 'jose'];
const tree = (files: Record<string, string>) => directionProblems(new Map(Object.entries(files)), PEERS);
const base = { 'src/errors.ts': '', 'src/ports/model.ts': '', 'src/loop/act.ts': '', 'src/engine/engine.ts': '', 'src/index.ts': '' };

describe('imports of a file', () => {
  test('every form is seen, with its kind and line', () => {
    const text = [
      "import a from 'a';",
      "import type { B } from 'b';",
      "import { type C } from 'c';",
      "export * from 'd';",
      "export type { E } from 'e';",
      "const f = () => import('f');",
      "type G = import('g').G;",
      "require('h');",
      "import 'i';",
      'const not = "import \'j\'";',
    ];
    expect(importsOf('x.ts', text.join('\n')).map((i) => `${i.line} ${i.kind} ${i.specifier}`)).toEqual([
      '1 value a',
      '2 type b',
      '3 value c',
      '4 value d',
      '5 type e',
      '6 dynamic f',
      '7 type g',
      '8 dynamic h',
      '9 value i',
    ]);
  });
});

describe('direction of imports', () => {
  test('what the layers allow passes', () => {
    expect(
      tree({
        ...base,
        'src/loop/act.ts': "import pRetry from 'p-retry'; import type { M } from '../ports/model.ts'; import { E } from '../errors.ts';",
        'src/schema.ts': "import type { S } from '@standard-schema/spec'; const v = () => import('@cfworker/json-schema');",
        'src/adapters/bedrock/index.ts':
          "import { C } from '@aws-sdk/client-bedrock-runtime'; import '../../index.ts'; import './wire.ts';",
        'src/adapters/bedrock/wire.ts': '',
        'src/server/jwt.ts': "import '../index.ts'; const j = () => import('jose');",
        'src/adapters/http/index.ts': "import '../../server/jwt.ts';",
        'src/adapters/journal/sqlite.ts': "import { DatabaseSync } from 'node:sqlite';",
        'src/testing/index.ts': "import '../engine/engine.ts';",
      }),
    ).toEqual([]);
  });

  test.each([
    ['a later layer', 'src/loop/act.ts', "import { Engine } from '../engine/engine.ts';", 'loop is before engine'],
    ['a later layer by type', 'src/ports/model.ts', "import type { Act } from '../loop/act.ts';", 'ports is before loop'],
    ['any layer from below all', 'src/errors.ts', "import '../src/ports/model.ts';", 'errors.ts is before ports'],
    ['an adapter from the core', 'src/index.ts', "export * from './adapters/http/index.ts';", 'index.ts is before adapters'],
    ['testing from the core', 'src/engine/engine.ts', "import '../testing/index.ts';", 'engine is before testing'],
    ['a server from the core', 'src/engine/engine.ts', "import '../server/worker.ts';", 'engine is before server'],
    ['an adapter from a server', 'src/server/worker.ts', "import '../adapters/http/index.ts';", 'server is before adapters'],
    ["a server's peer at once", 'src/server/worker.ts', "import { jwtVerify } from 'jose';", 'only as a dynamic import'],
    ["a server's peer from the core", 'src/loop/act.ts', "const j = () => import('jose');", 'not among the packages'],
    ['another peer from a server', 'src/server/worker.ts', "import '@modelcontextprotocol/sdk/types.js';", 'not among the packages'],
    ['an SDK from the core', 'src/loop/act.ts', "import type { X } from '@modelcontextprotocol/sdk/types.js';", 'not among the packages'],
    ['Zod from the core', 'src/loop/act.ts', "const z = () => import('zod');", 'not among the packages'],
    ['Zod from testing', 'src/testing/index.ts', "import { z } from 'zod';", 'not among the packages'],
    ['the validator at once', 'src/loop/act.ts', "import { Validator } from '@cfworker/json-schema';", 'only as a dynamic import'],
    ['a type package as a value', 'src/loop/act.ts', "import { S } from '@standard-schema/spec';", 'only as a type import'],
    ['SQLite from the core', 'src/loop/act.ts', "import 'node:sqlite';", 'only adapters may'],
    ['the package by its name', 'src/loop/act.ts', "import 'rondo';", 'not among the packages'],
    ['another adapter', 'src/adapters/http/index.ts', "import '../journal/sqlite.ts';", 'not built on journal'],
    [
      "another adapter's SDK",
      'src/adapters/http/index.ts',
      "import '@modelcontextprotocol/sdk/types.js';",
      'not the SDK of the adapter http',
    ],
    ['a file that is not there', 'src/loop/act.ts', "import './gone.ts';", 'no such source file'],
    ['a layer that is not named', 'src/utils/x.ts', '', 'belongs to no layer'],
  ])('%s is refused', (_, file, text, why) => {
    const others = {
      'src/server/worker.ts': '',
      'src/adapters/http/index.ts': '',
      'src/adapters/journal/sqlite.ts': '',
      'src/testing/index.ts': '',
    };
    const problems = tree({ ...base, ...others, [file]: text });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(file);
    expect(problems[0]).toContain(why);
  });

  test('an SDK must be an optional peer', () => {
    const files = new Map([['src/adapters/bedrock/index.ts', "import '@aws-sdk/client-bedrock-runtime';"]]);
    expect(directionProblems(files, [])).toEqual([expect.stringContaining('not an optional peer')]);
  });

  test('files that import each other are refused, by type as well; a dynamic import is not counted', () => {
    const loop = (back: string) =>
      tree({ 'src/loop/a.ts': "import './b.ts';", 'src/loop/b.ts': "import './c.ts';", 'src/loop/c.ts': back });
    const cycle = ['files that import each other: src/loop/a.ts -> src/loop/b.ts -> src/loop/c.ts -> src/loop/a.ts'];
    expect(loop("const a = () => import('./a.ts');")).toEqual([]);
    expect(loop("import type { A } from './a.ts';")).toEqual(cycle);
    expect(loop("import { type A } from './a.ts';")).toEqual(cycle);
  });
});

test('the picture in the README has the layers of the check, from the top down', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, picture = ''] = /## How it is built.*?```\n(.*?)```/s.exec(readme) ?? [];
  const drawn = picture
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0]);
  expect(drawn).toEqual(LAYERS.filter((layer) => layer !== 'index.ts').toReversed());
});
