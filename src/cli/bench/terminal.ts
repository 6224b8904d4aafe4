/** Tables for a terminal. */
import { stripVTControlCharacters, styleText } from 'node:util';
import TableOf from 'cli-table3';
import type { Table } from './tables.ts';

const LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
};
const NO_LINES = { ...LINES, left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' };
/** A message is cut here, so that a table stays one. */
const LONGEST = 80;

export interface TerminalStyle {
  colors: boolean;
}

export function terminalTables(tables: readonly Table[], style: TerminalStyle): string {
  return tables.map((table) => terminalTable(table, style)).join('\n');
}

function terminalTable({ title, note, columns, rows }: Table, { colors }: TerminalStyle): string {
  const bold = paint('bold', colors);
  const dim = paint('dim', colors);
  const drawn = new TableOf({
    head: columns.map(({ name }) => dim(cut(plainText(name)))),
    colAligns: columns.map(({ number }) => (number ? 'right' : 'left')),
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
  });
  for (const row of withoutRepeats(columns, rows)) drawn.push(row.map((cell) => cut(plainText(cell))));
  const lines = drawn.toString().split('\n');
  return `${[bold(plainText(title)), ...lines.map((line) => `  ${line.trimEnd()}`), ...(note ? [`  ${dim(plainText(note))}`] : [])].join('\n')}\n`;
}

export const paint =
  (format: Parameters<typeof styleText>[0], colors: boolean) =>
  (text: string): string =>
    colors ? styleText(format, text, { validateStream: false }) : text;

/** The names at the start of a row are shown once for a block of rows. */
function withoutRepeats(columns: Table['columns'], rows: Table['rows']): string[][] {
  return rows.map((row, i) => {
    let same = i > 0;
    return row.map((cell, j) => {
      same &&= (columns[j]?.name === 'variant' || columns[j]?.name === 'scenario') && rows[i - 1]?.[j] === cell;
      return same ? '' : cell;
    });
  });
}

/** Names and messages come from models and tools: they must not move the cursor or end a line. */
export const plainText = (text: string) =>
  stripVTControlCharacters(text)
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim();

const cut = (text: string) => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);
