import { matchesGlob } from 'node:path';
import { expect, test } from 'vitest';
import { CHECKED, wordProblems } from '../../scripts/words.ts';

const problems = (text: string, file = 'docs/a.md') => wordProblems(new Map([[file, text]]));

test.each(['docs/a/b.md', 'src/a/b.ts', 'scripts/a.ts', 'test/a/b.test.ts', 'test/a/README.md', 'examples/a/main.ts', 'bench/a/README.md'])(
  '%s is checked',
  (file) => {
    expect(CHECKED.some((pattern) => matchesGlob(file, pattern))).toBe(true);
  },
);

test('each forbidden word is reported with its file, its line and a plainer form', () => {
  expect(problems('One line.\nNobody knows.')).toEqual(['docs/a.md:2: "nobody": write no one, or the part that does not do it']);
  expect(problems('Ask whoever asked.')).toEqual([expect.stringContaining('docs/a.md:1: "whoever"')]);
  expect(problems('It is done anew.')).toEqual([expect.stringContaining('"anew"')]);
  expect(problems('An error is no answer.')).toEqual([expect.stringContaining('"is no"')]);
});

test('a word that a line break divides is found', () => {
  expect(problems('An error is\nno answer.')).toEqual([expect.stringContaining('docs/a.md:1: "is no"')]);
});

test('plain English that holds the same letters passes', () => {
  expect(problems('There is no key. It is no longer held. It is not known. A canewood is nowhere.')).toEqual([]);
});

test('code of a page is not prose, and what follows it is', () => {
  expect(problems('```ts\n// nobody\n```\n`anew` and ``a ` whoever``')).toEqual([]);
  expect(problems('```ts\nx\n```\nnobody')).toEqual([expect.stringContaining('docs/a.md:4:')]);
});

test('code ends with its paragraph, its item or its row: a stray backtick does not hide what comes after', () => {
  for (const between of ['\n\n', '\n- ', '\n| ', '\n1. '])
    expect(problems(`One \` stray.${between}nobody, and \`code\`.`), between).toEqual([expect.stringContaining('"nobody"')]);
  expect(problems('`a name\nof nobody`, and `x`')).toEqual([]);
  expect(problems('Ten `a`, nobody, `b`.')).toHaveLength(1);
});

test('comments and messages of a source file are prose', () => {
  expect(problems('// `nobody` reads it\n', 'src/a.ts')).toEqual([expect.stringContaining('src/a.ts:1: "nobody"')]);
});
