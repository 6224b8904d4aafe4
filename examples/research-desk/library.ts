/** The desk's knowledge: the documents of this folder with a full-text index, and a table of figures with formulas over it. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const folder = new URL('./library/', import.meta.url);
const textOf = (file: string) => readFileSync(new URL(file, folder), 'utf8');

export type Library = ReturnType<typeof openLibrary>;

export function openLibrary() {
  const files = readdirSync(folder).filter((file) => file.endsWith('.md'));
  const texts = new Map(files.map((file) => [basename(file, '.md'), textOf(file)]));
  const db = new DatabaseSync(':memory:');
  db.exec("CREATE VIRTUAL TABLE documents USING fts5(id UNINDEXED, text, tokenize = 'porter unicode61')");
  const insert = db.prepare('INSERT INTO documents VALUES (?, ?)');
  for (const document of texts) insert.run(...document);
  const find = db.prepare('SELECT id FROM documents WHERE documents MATCH ? ORDER BY rank LIMIT ?');
  return {
    /** Ids of the documents that fit best, the best first. */
    search(query: string, limit: number): string[] {
      // quoted, so that a word is never FTS5 syntax
      const words = (query.match(/[\p{L}\p{N}]+/gu) ?? []).map((word) => `"${word}"`);
      return words.length ? find.all(words.join(' OR '), limit).map(({ id }) => String(id)) : [];
    },
    /** The text of a document; undefined for an unknown id. */
    read: (id: string) => texts.get(id),
  };
}

const rows = textOf('night-bus.csv').trim().split('\n');
const [head = [], ...lines] = rows.map((row) => row.split(','));

export const COLUMNS = head.slice(1);
export const QUARTERS = lines.map(([quarter = '']) => quarter);

export const OPERATIONS = `total(column): the sum over all quarters
growth(column, quarter, quarter): the change in per cent from the first to the second
ratio(column, column, quarter): the first by the second in a quarter
share(column, column): the total of the first in per cent of the total of the second`;

const EVALUATE: Readonly<Record<string, (a: string, b: string, c: string) => number>> = {
  total,
  growth: (column, from, to) => (cell(column, to) / cell(column, from) - 1) * 100,
  ratio: (a, b, quarter) => cell(a, quarter) / cell(b, quarter),
  share: (a, b) => (total(a) / total(b)) * 100,
};

/**
 * The value of a formula such as `growth(trips, 2024-Q1, 2025-Q4)`.
 * @throws Error that says which formulas are valid.
 */
export function evaluate(formula: string): number {
  const [, name = '', list = ''] = /^(\w+)\(([^()]*)\)$/.exec(formula.trim()) ?? [];
  const [a = '', b = '', c = ''] = list.split(',').map((arg) => arg.trim());
  const found = Object.hasOwn(EVALUATE, name) ? EVALUATE[name] : undefined;
  if (!found) throw new Error(`"${formula}" is not a formula. There are:\n${OPERATIONS}`);
  return found(a, b, c);
}

function total(column: string): number {
  return QUARTERS.reduce((sum, quarter) => sum + cell(column, quarter), 0);
}

function cell(column: string, quarter: string): number {
  const found = lines.find(([q]) => q === quarter)?.[head.indexOf(column)];
  if (found === undefined || !COLUMNS.includes(column))
    throw new Error(`There is no ${column} of "${quarter}". Columns: ${COLUMNS.join(', ')}. Quarters: ${QUARTERS.join(', ')}.`);
  return Number(found);
}
