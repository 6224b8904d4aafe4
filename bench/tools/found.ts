/** How well tools were found, and the table that says so. */
import type { Here } from '../here.ts';

/** Numbers of results at which hits are counted. The last is as many as find_tools answers with their schemas. */
export const AT = [1, 3, 5, 10, 20] as const;
/** The share of the hits that sending all tools has, at which a search is good enough. */
export const ENOUGH = 0.95;

/** Of one catalogue and ranking. */
export interface Found {
  readonly catalogue: string;
  readonly ranking: string;
  readonly tools: number;
  readonly questions: number;
  /** By k: the share of questions whose tool is among the first k. */
  readonly hits: Readonly<Record<number, number>>;
  /** The share of questions whose tool is in the answer of find_tools, with its schema or named. */
  readonly answered: number;
  /** The smallest k whose share is enough; null if some are not found at all. */
  readonly enough: number | null;
  readonly tokens: {
    /** Of all declarations, and of the two tools of a search. */
    readonly all: number;
    readonly search: number;
    /** Of what find_tools answers, and of a task with one call, both on average. */
    readonly answer: number;
    readonly task: number;
  };
}

export interface FoundResults {
  readonly machine: Here;
  readonly rows: readonly Found[];
}

/** The share of tokens saved in a task with one call, which is two requests with all tools. */
const saved = ({ tokens: { all, task } }: Found): number => 1 - task / (2 * all);

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
const count = (value: number) => value.toLocaleString('en-GB');

export function foundTable({ rows }: FoundResults): string {
  const head = [
    'catalogue',
    'tools',
    'questions',
    'ranked by',
    ...AT.map((k) => `hit rate at ${k}`),
    'in the answer',
    'tokens of all',
    'of an answer',
    'fewer in a task of one call',
    `${100 * ENOUGH}% at`,
  ];
  const lines = rows.map((row) => [
    row.catalogue,
    count(row.tools),
    count(row.questions),
    row.ranking,
    ...AT.map((k) => percent(row.hits[k] as number)),
    percent(row.answered),
    count(row.tokens.all),
    count(row.tokens.answer),
    percent(saved(row)),
    row.enough === null ? 'never' : count(row.enough),
  ]);
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
