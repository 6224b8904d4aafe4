import { expect, it } from 'vitest';
import { headingsOf, INDEX, pageProblems } from '../../scripts/pages.ts';

const codes = { RUN_BUSY: 409 };
const doors = ['rondo', 'rondo/mcp'];
const good = {
  'README.md': '# R\n[docs](docs/README.md) [a heading](docs/a.md#the-second-one) [a file](src/x.ts) [outside](https://x.example/#y)',
  [INDEX]: '# D\n[a](a.md) [install](install.md) [errors](errors.md)',
  'docs/a.md': '# A\n## The `second` one\n[up](../README.md#r) [here](#a)\n```md\n[not a link](nowhere.md)\n```\n`[nor](this.md)`',
  'docs/install.md': '# I\n`rondo` `rondo/mcp`',
  'docs/errors.md': '# E\n| `RUN_BUSY` | 409 | busy |\n`TOO_LATE`',
};
const problemsOf = (over: Record<string, string> = {}) =>
  pageProblems(new Map(Object.entries({ ...good, ...over })), {
    doors,
    codes,
    exists: (path) => path === 'src/x.ts',
  });

it('finds nothing wrong where every link leads somewhere and every list is whole', () => {
  expect(problemsOf()).toEqual([]);
});

it.each([
  ['a page that is not there', { 'docs/a.md': '# A\n\n[b](b.md)' }, 'docs/a.md:3: b.md: there is no docs/b.md'],
  ['a heading of another page', { 'docs/a.md': '# A\n[r](../README.md#nothing)' }, 'README.md has no heading with that anchor'],
  ['a heading of this page', { 'docs/errors.md': `${good['docs/errors.md']}\n[x](#gone)` }, 'docs/errors.md:4: #gone'],
  ['a page that the index does not have', { 'docs/agentcore/b.md': '# B' }, `docs/agentcore/b.md: not in ${INDEX}`],
  ['a door without a row', { 'docs/install.md': '# I\n`rondo`' }, 'docs/install.md: "`rondo/mcp`" is missing'],
  [
    'a door that is not there',
    { 'docs/install.md': `${good['docs/install.md']}\n| \`rondo/mcp\`, \`rondo/old\` | x |` },
    'entry point rondo/old',
  ],
  ['a code that is not there', { 'docs/errors.md': `${good['docs/errors.md']}\n| \`RUN_OLD\` | 500 | x |` }, 'there is no code RUN_OLD'],
  ['a code without its status', { 'docs/errors.md': '# E\n| `RUN_BUSY` | 404 |' }, '"| `RUN_BUSY` | 409 |" is missing'],
])('%s', (_, over, problem) => {
  const problems = problemsOf(over);
  expect(
    problems.some((p) => p.includes(problem)),
    problems.join('\n'),
  ).toBe(true);
});

it('a page of more than 300 lines begins with its contents', () => {
  const long = '\nx'.repeat(300);
  expect(problemsOf({ 'docs/a.md': `# A\n## The second one\n## B${long}` })).toEqual([
    expect.stringContaining('begin with a section "Contents"'),
  ]);
  const contents = '# A\n## Contents\n- [The second one](#the-second-one)\n';
  expect(problemsOf({ 'docs/a.md': `${contents}## The second one\n## B${long}` })).toEqual(['docs/a.md: its contents do not have #b']);
  expect(problemsOf({ 'docs/a.md': `${contents}- [B](#b)\n## The second one\n## B${long}` })).toEqual([]);
  expect(problemsOf({ 'docs/a.md': `${contents}- [B](#b)\n## B\n## The second one${long}` })).toEqual([
    'docs/a.md: its contents are not in the order of its sections',
  ]);
});

it('gives headings the anchors of GitHub', () => {
  const anchors = headingsOf('# Key: what a `call` is, [meant](x.md) to do\n## /ping\n## AG-UI, MCP\n```\n# no\n```\n## /ping').map(
    (h) => h.anchor,
  );
  expect(anchors).toEqual(['key-what-a-call-is-meant-to-do', 'ping', 'ag-ui-mcp', 'ping-1']);
});
