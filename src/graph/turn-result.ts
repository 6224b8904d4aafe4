/** What a foreign agent's turn gave: its word, so it is checked before it is used. */

import { ToolError } from '../errors.ts';
import { ruleProblem } from '../hitl/rules.ts';
import { countsOf, isCost } from '../journal/spent.ts';
import { isDeep, type Json, plainJson } from '../json.ts';
import type { Scope } from '../loop/types.ts';

import type { Ask, TurnResult } from '../ports/foreign.ts';
import type { Usage } from '../ports/model.ts';

/** What an ask has besides the fields of an approval rule. */
const ASK = ['id', 'kind', 'tool', 'input', 'question', 'answer', 'provider', 'url'];
/** Bytes of JSON of a state, and of an output: they are in the journal. */
const MAX_BYTES = 4 * 1024 * 1024;

type Spent = { usage?: Usage; costUsd?: number; unmetered?: true };
export type Checked = Spent & ({ status: 'completed'; output: Json } | { status: 'paused'; state: Json; asks: readonly Ask[] });

/** What a turn gave, as JSON of its own. @throws what says why it is none. */
export function checked(result: TurnResult<unknown>): Checked {
  const spent = spentOf(result);
  if (result?.status === 'completed') return { ...spent, status: 'completed', output: bounded(result.output, 'the output') };
  if (result?.status !== 'paused') throw nonsense("the turn gave neither { status: 'completed' } nor { status: 'paused' }");
  const asks = plainJson(result.asks) as unknown as readonly Ask[];
  if (!Array.isArray(asks) || asks.length === 0) throw nonsense('the turn paused without asking anything');
  const ids = new Set(asks.map((ask) => ask?.id));
  if (ids.size !== asks.length || [...ids].some((id) => typeof id !== 'string')) throw nonsense('each ask needs an id of its own');
  // a role that is misspelt would let anybody decide
  for (const ask of asks) {
    const wrong = ruleProblem(ask, ASK);
    if (wrong) throw nonsense(`an ask makes no sense: ${wrong}`);
  }
  return { ...spent, status: 'paused', state: bounded(result.state, 'the state'), asks };
}

/** Whatever a turn did before it gave nonsense was done: it is not tried again. */
const nonsense = (message: string) => new ToolError('TOOL_FAILED', message, { outcome: 'unknown', retryable: false });

/** What a turn says it used. Numbers that make no sense are not counted, and leave the sums unknown: a limit then stops what would be a guess. */
function spentOf(result: TurnResult<unknown>): Spent {
  const { usage, costUsd } = result ?? {};
  const counts = countsOf(usage);
  const odd = (usage !== undefined && usage !== null && !counts) || (costUsd !== undefined && !isCost(costUsd) && !counts);
  return { ...(counts && { usage: counts }), ...(isCost(costUsd) && { costUsd }), ...(odd && { unmetered: true }) };
}

function bounded(value: unknown, what: string): Json {
  const json = plainJson(value) ?? null;
  if (isDeep(json)) throw nonsense(`${what} is nested too deeply`);
  if (JSON.stringify(json).length > MAX_BYTES) throw nonsense(`${what} is larger than ${MAX_BYTES} characters of JSON`);
  return json;
}

/** Without secrets. What it used is numbers of our own. */
export function masked<T extends Checked>({ secrets }: Scope, value: T): T {
  if (!secrets) return value;
  if (value.status === 'completed') return { ...value, output: secrets.maskJson(value.output) };
  return { ...value, state: secrets.maskJson(value.state), asks: secrets.maskJson(value.asks) };
}
