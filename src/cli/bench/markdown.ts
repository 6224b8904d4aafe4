/** Tables for GitHub-flavoured Markdown. */
import type { Table } from './tables.ts';

/** The first tables are shown; the rest is folded. */
const SHOWN = ['conditions', 'runs'];

export function markdown(head: string, facts: string, tables: readonly Table[]): string {
  const isShown = ({ id }: Table) => SHOWN.includes(id) || /^compare-\d+-0$/.test(id);
  const shown = tables.filter(isShown).map(markdownTable);
  const folded = tables.filter((table) => !isShown(table)).map(markdownTable);
  const details = folded.length > 0 ? ['<details><summary>Time, money and parts</summary>', ...folded, '</details>'] : [];
  return `${[`## ${escaped(head)}`, escaped(facts), ...shown, ...details].join('\n\n')}\n`;
}

function markdownTable({ title, note, columns, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    `### ${escaped(title)}`,
    '',
    line(columns.map(({ name }) => escaped(name))),
    line(columns.map(({ number }) => (number ? '---:' : '---'))),
    ...rows.map((row) => line(row.map(escaped))),
    ...(note ? ['', escaped(note)] : []),
  ].join('\n');
}

/** Text of models and tools must neither end a cell nor become a link, an image, a mention or HTML. */
const escaped = (text: string) =>
  text
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .replace(/[@#](?=\w)/g, '$&\u200b')
    .replace(/[\\`*_{}[\]|~]/g, '\\$&')
    .replace(/[&<>]/g, (char) => `&#${char.codePointAt(0)};`)
    .trim();
