/** The numbers of docs/limits-of-input.md are those of the sources that its rows name. */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

const PAGE = 'docs/limits-of-input.md';
/** What a number of the page may be in a source, by the unit behind it. */
const UNITS: { readonly [unit: string]: readonly number[] } = {
  '': [1],
  s: [1_000],
  KB: [1_000, 1_024],
  MB: [1e6, 2 ** 20],
  M: [1e6, 2 ** 20],
};

interface Row {
  what: string;
  bound: string;
  where: string;
}

const rowsOf = (page: string): Row[] =>
  page
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| what |'))
    .map((line) => {
      const [what = '', bound = '', , where = ''] = line.slice(2, -2).split(' | ');
      return { what, bound, where };
    });

/** The files of a row: a name without a folder is beside the one before it. */
function filesOf(where: string): string[] {
  let folder = '';
  return [...where.matchAll(/`([^`]+)`/g)].flatMap(([, name = '']) => {
    const path = name.includes('/') ? name : join(folder, name);
    folder = dirname(path);
    if (!existsSync(path)) return [];
    return statSync(path).isDirectory() ? globSync(`${path}/*.ts`) : [path];
  });
}

/** The numbers that code is written with: 2_000, 1e12, 16 * 1024 * 1024. */
function numbersIn(source: string): Set<number> {
  const code = source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$| \/\/ .*$/gm, '').replace(/'[^'\n]*'|`[^`\n]*`/g, "''");
  const products = code.match(/(?<![\w.])\d[\d_]*(?:e\d+)?(?:\s*\*\s*\d[\d_]*(?:e\d+)?)*(?![\w.])/g) ?? [];
  const value = (text: string) => Number(text.trim().replaceAll('_', ''));
  return new Set(
    products.map((product) =>
      product
        .split('*')
        .map(value)
        .reduce((a, b) => a * b, 1),
    ),
  );
}

/** What of a row is in none of its files. */
function missing({ what, bound, where }: Row, read: (file: string) => string): string[] {
  const files = filesOf(where);
  if (files.length === 0) return [`${what}: ${where} is not there`];
  const have = new Set(files.flatMap((file) => [...numbersIn(read(file))]));
  return [...bound.matchAll(/(\d[\d,]*(?:e\d+)?)(?: (MB|KB|M|s)\b)?/g)].flatMap(([text, number = '', unit = '']) => {
    const value = Number(number.replaceAll(',', ''));
    return (UNITS[unit] as readonly number[]).some((times) => have.has(value * times))
      ? []
      : [`${what}: ${text} is not in ${files.join(', ')}`];
  });
}

const rows = rowsOf(readFileSync(PAGE, 'utf8'));
const read = (file: string) => readFileSync(file, 'utf8');

it.each(rows.map((row) => [row.what, row] as const))('%s', (_, row) => {
  expect(missing(row, read)).toEqual([]);
});

it('finds a number that is another one in the source', () => {
  const row = { what: 'x', bound: '20 tools, 2 MB, 7 s; 1e12 tokens', where: '`src/loop/tools/found.ts`' };
  const source = "const MOST = { tools: 20, all: 2 * 1024 * 1024, ms: 7_000 }; // 8\nconst SPENT = 1e12; const text = 'at most 9';";
  expect(missing(row, () => source)).toEqual([]);
  for (const wrong of ['10 tools', '8 s', '3 MB', '1e9 tokens', '9 texts', '8 lines'])
    expect(missing({ ...row, bound: wrong }, () => source)).toHaveLength(1);
});
