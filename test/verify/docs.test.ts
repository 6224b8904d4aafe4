import { expect, it } from 'vitest';
import { blocksOf } from '../../scripts/docs.ts';

const page = (...lines: string[]) => blocksOf('docs/x.md', lines.join('\n'));

it('finds the TypeScript blocks of a page, with the line of their code', () => {
  const { blocks, problems } = page(
    '# X',
    '```ts',
    'const a = 1;',
    '```',
    '```sh',
    'npm ci',
    '```',
    '- in a list',
    '  ```ts run',
    '  go();',
    '  ```',
    '```ts run part',
    'show(1);',
    '```',
  );
  expect(problems).toEqual([]);
  expect(blocks).toEqual([
    { page: 'docs/x.md', line: 3, kind: 'part', runs: false, code: 'const a = 1;' },
    { page: 'docs/x.md', line: 10, kind: 'program', runs: true, code: 'go();' },
    { page: 'docs/x.md', line: 13, kind: 'part', runs: true, code: 'show(1);' },
  ]);
});

it('leaves a block out only with a reason', () => {
  expect(page('```ts ignore: of another package', 'x', '```')).toEqual({ blocks: [], problems: [] });
  expect(page('```ts ignore', 'x', '```').problems).toEqual([expect.stringContaining('docs/x.md:1: a block is ```ts')]);
  expect(page('```ts runs', 'x', '```').problems).toHaveLength(1);
  expect(page('```ts', 'x').problems).toEqual(['docs/x.md: a block is not closed']);
});
