/** How well tools were found, and the table that says so. */
import type { Here } from '../here.ts';

/** Numbers of results at which hits are counted. The last is as many as find_tools answers. */
export const AT = [1, 3, 5, 10, 20] as const;
export const SHOWN = 20;
/** The share of the hits that sending all tools has, at which a search is good enough; and of tokens that it is to save. */
export const ENOUGH = 0.95;

/** Of one catalogue and ranking. */
export interface Found {
  readonly catalogue: string;
  readonly ranking: string;
  readonly tools: number;
  readonly questions: number;
  /** By k: the share of questions whose tool is among the first k. */
  readonly hits: Readonly<Record<number, number>>;
  /** The smallest k whose share is enough; null if some are not found at all. */
  readonly enough: number | null;
  readonly tokens: {
    /** Of all declarations, and of the two tools of a search. */
    readonly all: number;
    readonly search: number;
    /** Of what a search answers, on average: as it is, and with as many as are enough. */
    readonly answer: number;
    readonly enough: number | null;
  };
}

export interface FoundResults {
  readonly machine: Here;
  readonly rows: readonly Found[];
}

/** The share of tokens saved in a task with one call: two requests with all tools; three with the two of a search, two of which have its answer. */
const saved = ({ tokens: { all, search } }: Found, answer: number): number => 1 - (3 * search + 2 * answer) / (2 * all);

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
const count = (value: number) => value.toLocaleString('en-GB');

export function foundTable({ rows }: FoundResults): string {
  const head = [
    'catalogue',
    'tools',
    'questions',
    'ranked by',
    ...AT.map((k) => `hit rate at ${k}`),
    'tokens of all',
    `of an answer with ${SHOWN}`,
    'fewer in a task of one call',
    `${100 * ENOUGH}% at`,
    'fewer then',
  ];
  const lines = rows.map((row) => [
    row.catalogue,
    count(row.tools),
    count(row.questions),
    row.ranking,
    ...AT.map((k) => percent(row.hits[k] as number)),
    count(row.tokens.all),
    count(row.tokens.answer),
    percent(saved(row, row.tokens.answer)),
    row.enough === null ? 'never' : count(row.enough),
    row.tokens.enough === null ? '' : percent(saved(row, row.tokens.enough)),
  ]);
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
