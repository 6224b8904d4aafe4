/** Checks the result of a foreign agent's turn, because it comes from code that Rondo does not control. */
import { ToolError } from '../errors.ts';
import { ruleProblem } from '../hitl/rules.ts';
import { countsOf, isCost } from '../journal/fold/spent.ts';
import { type Json, plainJson } from '../json.ts';
import type { Scope } from '../loop/types.ts';

import type { Ask, TurnResult } from '../ports/foreign.ts';
import type { Usage } from '../ports/model.ts';
import { messageOf } from '../reliability/classify.ts';

/** The fields that an ask may have besides those of an approval rule. */
const ASK = ['id', 'kind', 'tool', 'input', 'question', 'answer', 'provider', 'url'];
/** Most characters of JSON in a state, and in an output. Both are journaled. */
const MAX_CHARS = 4 * 1024 * 1024;

type Spent = { usage?: Usage; costUsd?: number; unmetered?: true };
export type Checked = Spent & ({ status: 'completed'; output: Json } | { status: 'paused'; state: Json; asks: readonly Ask[] });

/** The result as a JSON copy. @throws ToolError `TOOL_FAILED` with outcome `unknown` if it is malformed. */
export function checked(result: TurnResult<unknown>): Checked {
  const spent = spentOf(result);
  if (result?.status === 'completed') return { ...spent, status: 'completed', output: bounded(result.output, 'the output') };
  if (result?.status !== 'paused') throw malformed("the turn gave neither { status: 'completed' } nor { status: 'paused' }");
  const asks = jsonOf(result.asks, 'the asks') as readonly Ask[];
  if (!Array.isArray(asks) || asks.length === 0) throw malformed('the turn paused without asking anything');
  const ids = new Set(asks.map((ask) => ask?.id));
  if (ids.size !== asks.length || [...ids].some((id) => typeof id !== 'string')) throw malformed('each ask needs an id of its own');
  // unknown fields are refused: with a misspelt `roles`, anyone could decide
  for (const ask of asks) {
    const wrong = ruleProblem(ask, ASK);
    if (wrong) throw malformed(`an ask makes no sense: ${wrong}`);
  }
  return { ...spent, status: 'paused', state: bounded(result.state, 'the state'), asks };
}

/** The turn may have taken effect before it returned a malformed result, so it is not tried again. */
const malformed = (message: string) => new ToolError('TOOL_FAILED', message, { outcome: 'unknown', retryable: false });

/** The reported usage. Invalid numbers are not counted. They make the run `unmetered`, so that a token or dollar limit stops it. */
function spentOf(result: TurnResult<unknown>): Spent {
  const { usage, costUsd, unmetered } = result ?? {};
  const counts = countsOf(usage);
  const odd =
    unmetered === true || (usage !== undefined && usage !== null && !counts) || (costUsd !== undefined && !isCost(costUsd) && !counts);
  return { ...(counts && { usage: counts }), ...(isCost(costUsd) && { costUsd }), ...(odd && { unmetered: true }) };
}

function jsonOf(value: unknown, what: string): Json {
  try {
    return plainJson(value) ?? null;
  } catch (error) {
    throw malformed(`${what} cannot be kept: ${messageOf(error)}`);
  }
}

function bounded(value: unknown, what: string): Json {
  const json = jsonOf(value, what);
  if (JSON.stringify(json).length > MAX_CHARS) throw malformed(`${what} is larger than ${MAX_CHARS} characters of JSON`);
  return json;
}

/** The result with every secret of the run masked. */
export function masked<T extends Checked>({ secrets }: Scope, value: T): T {
  if (!secrets.active) return value;
  if (value.status === 'completed') return { ...value, output: secrets.maskJson(value.output) };
  return { ...value, state: secrets.maskJson(value.state), asks: secrets.maskJson(value.asks) };
}
