/**
 * Compact: keeps the conversation of a frame small, by the policies of its agent. Each change is one entry, after which the model sees less.
 *
 * I1. A request is changed only behind an entry `context.compacted` that says how.
 * I2. Calls and their results are left out together.
 * I3. What is pinned, the input of the run and the newest message are never left out.
 * I4. A conversation that the model refuses is made smaller a bounded number of times in a row.
 */
import { type Failure, ToolError } from '../../errors.ts';
import type { Draft } from '../../journal/entries/entries.ts';
import { clearedPart, standIn } from '../../journal/fold/compacted.ts';
import type { Compacted, Compaction } from '../../ports/compaction.ts';
import type { Message, ToolResultPart } from '../../ports/model.ts';
import { messageOf } from '../../reliability/classify.ts';
import { Halted, inTime } from '../../reliability/patience.ts';
import type { LoopScope } from '../types.ts';
import { roughly, SeenConversation } from './conversation.ts';
import { type Summary, summarised } from './summary.ts';

/** Milliseconds that a policy may take, without the call of a model. */
const HOOK_TIMEOUT = 30_000;
/** How often in a row a conversation is made smaller because its model refused it. */
const MOST_REFUSALS = 6;

/** Asks the policies before a request. @throws ToolError `COMPACTION_FAILED` if one fails; Halted. */
export async function compact(scope: LoopScope): Promise<void> {
  for (const policy of scope.plan.compact) {
    await applied(scope, policy, 0);
    if (scope.halt) return;
  }
}

/** Whether the model refused a conversation that policies may make smaller. */
export const mayCompact = ({ plan }: LoopScope, { code }: Pick<Failure, 'code'>): boolean =>
  code === 'CONTEXT_TOO_LONG' && plan.compact.length > 0;

/** Makes a conversation smaller that the model refused. @returns whether it is smaller now. @throws as `compact`. */
export async function compactRefused(scope: LoopScope): Promise<boolean> {
  const { refusals } = scope.frame;
  // each time with more force, until one of the policies finds something to leave out
  for (let force = refusals + 1; force <= MOST_REFUSALS; force++)
    for (const policy of scope.plan.compact) {
      if (await applied(scope, policy, force)) return true;
      if (scope.halt) return false;
    }
  return false;
}

/** The failure of a conversation that cannot be made smaller. */
export const unfit = (error: Failure): Failure => ({
  ...error,
  message: `${error.message} The policies of compact found nothing more to leave out: pin less, let tools return less (maxBytes), pass a shorter input, or use a model with a larger context.`,
});

/** @returns whether the policy changed what the model sees. */
async function applied(scope: LoopScope, policy: Compaction, refusals: number): Promise<boolean> {
  const seen = new SeenConversation(scope, refusals);
  const change = await decided(scope, policy, seen);
  if (!change) return false;
  const { drop, clear, summary } = change;
  const at = (i: number) => scope.frame.seen?.at[i] ?? i;
  const draft: Draft & { type: 'context.compacted' } = {
    type: 'context.compacted',
    by: policy.name,
    ...(refusals > 0 && { refused: true }),
    ...(drop.length > 0 && { dropped: rangesOf(drop.map(at)) }),
    ...(clear.length > 0 && { cleared: clear.map(([i, j]): [number, number] => [at(i), j]) }),
    tokens: { before: Math.round(seen.tokens), after: 0 },
  };
  const keep = async (written?: Summary): Promise<void> => {
    const { text, ...cost } = written ?? {};
    const after = Math.max(1, Math.round(seen.tokens - freed(scope, seen, change, text)));
    const entry = { ...draft, tokens: { ...draft.tokens, after }, ...(text !== undefined && { summary: text }), ...cost };
    scope.request = undefined;
    await scope.append(() => [{ ...entry }]);
    scope.trace?.contextCompacted({ policy: policy.name, dropped: drop.length, cleared: clear.length, tokens: entry.tokens });
  };
  if (typeof summary === 'object') return summarised(scope, policy, { seen, drop, prompt: summary.prompt, must: refusals > 0 }, keep);
  await keep(summary === undefined ? undefined : { text: scope.secrets.mask(summary) });
  return true;
}

/** What a policy wants, checked. */
type Change = Compacted & Required<Pick<Compacted, 'drop' | 'clear'>>;

/** What a policy wants; undefined where it changes nothing. */
async function decided(scope: LoopScope, policy: Compaction, seen: SeenConversation): Promise<Change | undefined> {
  try {
    const asked = policy.compact(seen);
    const wanted: Compacted | undefined =
      asked instanceof Promise ? await inTime(asked, HOOK_TIMEOUT, `the policy "${policy.name}"`, scope.cancel) : asked;
    return wanted === undefined ? undefined : checked(scope, policy, seen, wanted);
  } catch (error) {
    if (error instanceof Halted) throw error;
    throw new ToolError(
      'COMPACTION_FAILED',
      `the policy "${policy.name}" of compact failed: ${messageOf(error, scope.secrets.mask)}. Correct it, or leave it out.`,
      { cause: error },
    );
  }
}

/** @throws Error for what is not a change of this conversation. */
function checked(scope: LoopScope, policy: Compaction, seen: SeenConversation, wanted: Compacted): Change | undefined {
  const { messages } = seen;
  const { summary } = wanted;
  const own = (i: number) => scope.frame.seen?.at[i] === -1;
  if (typeof wanted !== 'object' || wanted === null) throw new Error('it returned neither an object nor undefined');
  for (const i of wanted.drop ?? []) if (!messages[i]) throw new Error(`it drops message ${i}, which the conversation does not have`);
  const dropped = new Set(wanted.drop);
  for (const i of dropped) {
    const pair = messages[i]?.role === 'tool' ? i - 1 : messages[i + 1]?.role === 'tool' ? i + 1 : i;
    if (!dropped.has(pair)) throw new Error(`it drops message ${i} without message ${pair}: calls and their results belong together`);
  }
  const drop = [...dropped].filter((i) => !seen.pinned[i] && !own(i)).sort((a, b) => a - b);
  const clear: (readonly [number, number])[] = [];
  for (const [i, j] of wanted.clear ?? []) {
    const part = messages[i]?.content[j];
    if (part?.type !== 'toolResult') throw new Error(`it clears part ${j} of message ${i}, which is not a result`);
    if (!policy.clears) throw new Error('it clears results, so it must say so: { name, clears: true, compact }');
    if (part.cleared || seen.chosen[i] || dropped.has(i) || !isShorter(part)) continue;
    clear.push([i, j]);
  }
  if (summary !== undefined && typeof summary !== 'string' && typeof summary?.prompt !== 'string')
    throw new Error('its summary is neither a text nor { prompt }');
  if (typeof summary === 'object' && !policy.summarises)
    throw new Error('it asks a model for a summary, so it must say so: { name, summarises: true, compact }');
  if (drop.length === 0 && clear.length === 0) return undefined;
  return { drop, clear, ...(summary !== undefined && drop.length > 0 && { summary }) };
}

const isShorter = (part: ToolResultPart): boolean =>
  JSON.stringify(clearedPart(part, '').output).length < JSON.stringify(part.output).length;

/** About how many tokens the change frees. */
function freed(
  { frame }: LoopScope,
  { messages, sizes }: SeenConversation,
  { drop, clear }: { drop: readonly number[]; clear: readonly (readonly [number, number])[] },
  summary: string | undefined,
): number {
  let tokens = 0;
  for (const i of drop) tokens += sizes[i] as number;
  for (const i of new Set(clear.map(([i]) => i))) {
    const message = messages[i] as Message;
    const left = {
      ...message,
      content: message.content.map((part, j) =>
        clear.some(([m, p]) => m === i && p === j) ? clearedPart(part as ToolResultPart, '') : part,
      ),
    };
    tokens += ((sizes[i] as number) * (roughly(message) - roughly(left))) / roughly(message);
  }
  const before = frame.seen?.at.indexOf(-1) ?? -1;
  if (summary !== undefined) tokens -= roughly(standIn(summary)) - (before >= 0 ? (sizes[before] as number) : 0);
  return tokens;
}

/** Ascending numbers as ranges: from, and up to but not including. */
function rangesOf(numbers: readonly number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const n of numbers) {
    const last = ranges.at(-1);
    if (last?.[1] === n) last[1] = n + 1;
    else ranges.push([n, n + 1]);
  }
  return ranges;
}
