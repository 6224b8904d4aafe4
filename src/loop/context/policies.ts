import { invalid } from '../../errors.ts';
import { checkOptions } from '../../options.ts';
import type { Compaction, Conversation } from '../../ports/compaction.ts';
import type { Message, Model } from '../../ports/model.ts';
import { TOOL_NAME } from '../tools/tool.ts';

/** A policy acts if it frees at least this share of `over`, because the provider's prompt cache begins again with each compaction. */
const SHARE = 5;

export interface KeepLastOptions {
  /** Acts when the request has more tokens than this. Default: when there are more than twice as many messages as are kept. */
  over?: number;
}

/**
 * Leaves out all but the newest `n` messages, the pinned ones and a summary. What was left out is lost for the model.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function keepLast(n: number, o: KeepLastOptions = {}): Compaction {
  checkOptions(o, { over: 'over: 60_000' }, 'keepLast()');
  checkCount(n, 'keepLast(): the number of messages', 1);
  checkTokens(o.over, 'keepLast(): over');
  const due = (seen: Conversation) => (o.over === undefined ? seen.messages.length > 2 * n : seen.tokens > o.over);
  return {
    name: 'keepLast',
    compact(seen) {
      if (seen.refusals === 0 && !due(seen)) return undefined;
      return { drop: olderThan(seen, fewer(n, seen)).filter((i) => !(seen.messages[i] as Message).summary) };
    },
  };
}

export interface ClearOptions {
  /** Acts when the request has more tokens than this. Default: the model's `contextWindow` less its `maxOutput`, if that is known. */
  over?: number;
  /** How many of the newest results stay. Default 3. */
  keep?: number;
  /** Smaller results stay, in tokens. Default 200. */
  least?: number;
}

const CLEAR = { over: 'over: 20_000', keep: 'keep: 3', least: 'least: 200' } satisfies Record<keyof ClearOptions, string>;

/**
 * Replaces old results of tools by a reference. The model reads one back with the tool `read_result`, so nothing is lost. It waits until it can
 * free a fifth of `over`.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function clearToolResults(o: ClearOptions = {}): Compaction {
  checkOptions(o, CLEAR, 'clearToolResults()');
  const { over, keep = 3, least = 200 } = o;
  checkTokens(over, 'clearToolResults(): over');
  checkCount(keep, 'clearToolResults(): keep', 0);
  checkTokens(least, 'clearToolResults(): least');
  return {
    name: 'clearToolResults',
    clears: true,
    compact(seen) {
      const most = over ?? seen.room;
      if (seen.refusals === 0 && (most === undefined || seen.tokens <= most)) return undefined;
      const results = resultsIn(seen);
      const old = results.slice(0, Math.max(0, results.length - fewer(keep, seen))).filter(({ tokens }) => tokens >= least);
      const freed = old.reduce((sum, { tokens }) => sum + tokens, 0);
      if (old.length === 0 || (seen.refusals === 0 && freed < (most as number) / SHARE)) return undefined;
      return { clear: old.map(({ at }) => at) };
    },
  };
}

export interface SummariseOptions {
  /** Acts when the request has more tokens than this. Default: the model's `contextWindow` less its `maxOutput`, if that is known. */
  over?: number;
  /** How many of the newest messages stay as they are. Default 6. */
  keep?: number;
  /** The model that writes the summary. Default: the agent's. */
  model?: Model;
  /** What it is asked to write. */
  prompt?: string;
}

const SUMMARISE = {
  over: 'over: 60_000',
  keep: 'keep: 6',
  model: "model: bedrock('<model id>')",
  prompt: "prompt: 'Write what was decided, and every order number.'",
} satisfies Record<keyof SummariseOptions, string>;

const PROMPT =
  'Write what the agent needs to go on with its work: the task, what was found out with every name, number, date and reference that may matter later, what was done and decided, and what is left to do.';

/**
 * Has a model write a summary of the older messages, which stands in their place. The call counts in the limits of the run. It waits until
 * it can leave out messages with a fifth of `over`.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function summarise(o: SummariseOptions = {}): Compaction {
  checkOptions(o, SUMMARISE, 'summarise()');
  const { over, keep = 6, model, prompt = PROMPT } = o;
  checkTokens(over, 'summarise(): over');
  checkCount(keep, 'summarise(): keep', 1);
  if (typeof prompt !== 'string' || prompt === '') throw invalid(`summarise(): prompt is a text: ${SUMMARISE.prompt}.`);
  return {
    name: 'summarise',
    summarises: true,
    ...(model !== undefined && { model }),
    compact(seen) {
      const most = over ?? seen.room;
      if (seen.refusals === 0 && (most === undefined || seen.tokens <= most)) return undefined;
      const drop = olderThan(seen, fewer(keep, seen));
      let freed = 0;
      for (const i of drop) if (!(seen.messages[i] as Message).summary) freed += seen.sizes[i] as number;
      if (freed === 0 || (seen.refusals === 0 && freed < (most as number) / SHARE)) return undefined;
      return { drop, summary: { prompt } };
    },
  };
}

/** How many stay: fewer with each time that the model has refused the conversation. */
const fewer = (keep: number, { refusals }: Conversation): number => Math.floor(keep / 2 ** Math.max(0, refusals - 1));

/** The messages before the newest `keep`, without the pinned ones. Calls stay with their results. */
function olderThan({ messages, pinned }: Conversation, keep: number): number[] {
  let end = Math.max(0, messages.length - keep);
  if (messages[end]?.role === 'tool') end--;
  return Array.from({ length: end }, (_, i) => i).filter((i) => !pinned[i]);
}

function resultsIn({ messages, sizes, pinned }: Conversation): { at: [number, number]; tokens: number }[] {
  const found: { at: [number, number]; tokens: number }[] = [];
  for (const [i, { content }] of messages.entries()) {
    const results = content.flatMap((part, j) =>
      part.type === 'toolResult' ? [{ j, part, chars: JSON.stringify(part.output).length }] : [],
    );
    const all = results.reduce((sum, { chars }) => sum + chars, 0);
    for (const { j, part, chars } of results)
      if (!part.cleared && !(pinned[i] && i < messages.length - 1))
        found.push({ at: [i, j], tokens: ((sizes[i] as number) * chars) / all });
  }
  return found;
}

/** @throws RondoError `CONFIG_INVALID` for what is not a list of policies. */
export function checkCompaction({ compact, pin }: { compact?: unknown; pin?: unknown }, where: string): void {
  if (pin !== undefined && typeof pin !== 'function')
    throw invalid(`${where}: pin is a function: pin: (message) => message.role === 'user'.`);
  if (compact === undefined) return;
  if (!Array.isArray(compact)) throw invalid(`${where}: compact is a list of policies: compact: [keepLast(40)].`);
  for (const policy of compact as readonly (Compaction | undefined)[]) {
    if (typeof policy?.compact !== 'function' || typeof policy.name !== 'string' || !TOOL_NAME.test(policy.name))
      throw invalid(
        `${where}: a policy of compact is keepLast(40), clearToolResults(), summarise(), or { name, compact: (conversation) => ({ drop: [0, 1] }) }. A name has 1 to 64 letters, digits, "_" and "-".`,
      );
    if (policy.model !== undefined && typeof policy.model.generate !== 'function')
      throw invalid(`${where}: the model of the policy "${policy.name}" is not a model: pass one, such as bedrock("<model id>").`);
  }
}

function checkTokens(value: unknown, what: string): void {
  if (value !== undefined && !(typeof value === 'number' && value > 0)) throw invalid(`${what} is a number of tokens above 0.`);
}

function checkCount(value: unknown, what: string, least: number): void {
  if (!(Number.isInteger(value) && (value as number) >= least)) throw invalid(`${what} is a whole number of ${least} or more.`);
}
