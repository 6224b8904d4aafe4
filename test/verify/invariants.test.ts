import { expect, test } from 'vitest';
import { invariantProblems } from '../../scripts/invariants.ts';

const source = (...lines: string[]) => `/**\n * What it is.\n *\n${lines.map((line) => ` * ${line}\n`).join('')} */\nexport const a = 1;\n`;
const problems = (sources: Record<string, string>, tests: Record<string, string>) =>
  invariantProblems(new Map(Object.entries(sources)), new Map(Object.entries(tests)));
const holds = (names: string) => `// holds ${names}\ntest('x', () => {});\n`;

test('every invariant is named by a test, and every test names one that there is', () => {
  const sources = { 'src/journal/pen.ts': source('I1. One.', 'I2. Two.'), 'src/b.ts': 'export const b = 1;\n' };
  expect(problems(sources, { 'test/a.test.ts': holds('pen.I1'), 'test/b.test.ts': holds('pen.I2') })).toEqual([]);
  expect(problems(sources, { 'test/a.test.ts': holds('pen.I1, pen.I2') })).toEqual([]);
  expect(problems(sources, { 'test/a.test.ts': holds('pen.I1') })).toEqual(['src/journal/pen.ts: no test claims to hold pen.I2']);
  expect(problems(sources, { 'test/a.test.ts': holds('pen.I1, pen.I2, pen.I3') })).toEqual([
    'test/a.test.ts: claims to hold pen.I3, which no source states',
  ]);
});

test('a comment that names one stands directly above its test', () => {
  const sources = { 'src/pen.ts': source('I1. One.', 'I2. Two.') };
  const [comment] = holds('pen.I1').split('\n');
  expect(problems(sources, { 'test/a.test.ts': `${comment}\n${holds('pen.I2')}` })).toEqual([
    expect.stringMatching(/^test\/a\.test\.ts: .*pen\.I1.* does not stand directly above a test$/),
  ]);
});

test('they are numbered from 1 without gaps, at the top of a file, and under one name', () => {
  const tests = { 'test/a.test.ts': holds('pen.I1, pen.I3') };
  expect(problems({ 'src/pen.ts': source('I1. One.', 'I3. Three.') }, tests)).toEqual(['src/pen.ts: I3 stands where I2 is due']);
  expect(problems({ 'src/pen.ts': `import 'node:fs';\n${source('I1. One.')}` }, {})).toEqual([]);
  const twice = { 'src/x/pen.ts': source('I1. One.'), 'src/y/pen.ts': source('I1. One.') };
  expect(problems(twice, { 'test/a.test.ts': holds('pen.I1') })).toEqual([expect.stringContaining('same name as src/x/pen.ts')]);
});
