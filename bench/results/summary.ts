/** What a user asks first, as one Markdown table, from what was measured. */
import type { Spread } from '../harness.ts';
import { number } from '../report.ts';
import type { Table } from '../result.ts';
import { type Behaviour, SCENES } from './behaviour.ts';
import type { Results } from './results.ts';

/** A question, Rondo's answer, and what stands beside it. */
type Line = readonly [question: string, rondo: string, beside: string];

/** Left out is what was not measured. */
export function summaryTable(results: Omit<Results, 'format'>): string {
  const lines = [...times(results), ...effects(results.behaviour ?? []), ...own(results)];
  return ['| | Rondo | beside it |', '|---|---|---|', ...lines.map((cells) => `| ${cells.join(' | ')} |`)].join('\n');
}

const WAYS = [
  { way: 'kept', title: 'in memory', table: 'In memory, as a multiple' },
  { way: 'kept, on disk', title: 'kept on disk', table: 'On disk, as a multiple' },
] as const;

/** The first table is in µs; the others are multiples of Rondo's time in the same round. */
function times({ peers }: Omit<Results, 'format'>): Line[] {
  if (!peers) return [];
  return WAYS.flatMap(({ way, title, table: name }) => {
    const all = peers.tables[0] as Table;
    const multiples = peers.tables.find((table) => table.title === name);
    return all.columns.map((column): Line => {
      const others = (multiples?.rows ?? []).flatMap((row) => {
        const name = row.name.slice(0, -way.length - 2);
        const found = row.name === `${name}, ${way}` && isOther(name) && cellOf(multiples, row.name, column);
        return found ? [`${name} ${number(found.p50)}`] : [];
      });
      return [
        `Time of one turn with a tool call, in a conversation of ${column}, ${title}; the model's own time is not in it`,
        `${us(cellOf(all, `rondo, ${way}`, column))}`,
        `times as long: ${others.join(', ')}`,
      ];
    });
  });
}

/** A framework, in its newest release: an older one has its version behind its name. */
const isOther = (name: string) => name !== 'rondo' && !/-\d/.test(name);

const us = (cell: Spread | undefined) => (cell ? `${number(cell.p50)} µs` : '-');

/** Scenes in which one effect is meant, and what each tool did. */
const ONCE = ['killed', 'resumers', 'twice', 'runs'] as const;

function effects(behaviours: readonly Behaviour[]): Line[] {
  const rondo = behaviours.find(({ name }) => name === 'rondo');
  if (!rondo) return [];
  return ONCE.map((key): Line => {
    const most = ({ cells }: Behaviour) => {
      const { effects = {}, said = [] } = cells.find(({ scene }) => scene === key) ?? {};
      const ended = said.some((one) => one.endsWith('completed'));
      return `${Math.max(0, ...Object.values(effects))}${ended ? '' : ' (did not finish)'}`;
    };
    const others = behaviours.filter((one) => isOther(one.name) && !one.missing).map((one) => `${one.name} ${most(one)}`);
    return [
      `How often one effect was made: ${SCENES.find((scene) => scene.key === key)?.title}`,
      most(rondo),
      `times: ${others.join(', ')}`,
    ];
  });
}

/** What only Rondo, or a loop written by hand, was measured at. */
const OWN: readonly [scenario: string, question: string, rondo: Cell, beside?: Cell][] = [
  [
    'bytes',
    'Disk space of a turn whose tool returns 1 KB',
    ['Rondo on SQLite, read, kept', '100 turns', 'KB'],
    ['bare SQLite loop, read, kept', '100 turns', 'KB in a table written by hand'],
  ],
  ['import', 'Cold start: what `import` of the engine adds to the start of Node', ['the core', 'more than bare node', 'ms']],
  [
    'resume',
    'Time until a run of 100 steps goes on in a new process',
    ['Rondo: open, read, fold, claim', '100 steps', 'ms'],
    ['bare: open, select, parse', '100 steps', 'ms to read the same messages by hand'],
  ],
  [
    'concurrent',
    'Memory of a session while its model answers, with 10 results of 1 KB behind it',
    ['Rondo on SQLite', 'heap', 'KB'],
    ['bare loop', 'heap', 'KB in a loop written by hand'],
  ],
  ['sleeping', 'Memory of 100,000 sessions that wait for days, in a process that works', ['100,000 runs sleep', 'resident set', 'MB']],
];
/** The row, the column, and the unit behind the number. */
type Cell = readonly [row: string, column: string, unit: string];

function own({ scenarios }: Omit<Results, 'format'>): Line[] {
  return OWN.flatMap(([scenario, question, rondo, beside]): Line[] => {
    const found = scenarios?.[scenario];
    if (!found) return [];
    const said = ([row, column, unit]: Cell) => {
      const cell = found.tables.map((table) => cellOf(table, row, column)).find((one) => one !== undefined);
      if (!cell) throw new Error(`Scenario ${scenario} has no "${row}" in a column "${column}".`);
      return `${number(cell.p50)} ${unit}`;
    };
    return [[question, said(rondo), beside ? said(beside) : '']];
  });
}

function cellOf(table: Table | undefined, row: string, column: string): Spread | undefined {
  const at = table?.columns.indexOf(column) ?? -1;
  return table?.rows.find(({ name }) => name === row)?.cells[at];
}
