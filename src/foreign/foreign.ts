/** Declares an agent that another framework, a function or a service runs. The contract is in ports/foreign.ts. */

import { invalid } from '../errors.ts';
import { named } from '../hitl/intent.ts';
import { digest, sha256 } from '../journal/canonical.ts';
import type { Limits } from '../journal/entries/entries.ts';
import type { Frame, RunFold } from '../journal/fold/fold.ts';
import type { Json } from '../json.ts';
import { checkLimits, checkName, made } from '../loop/definition.ts';
import { checkIntent } from '../loop/tools/keyed.ts';
import type { Agent, AgentDefinition } from '../loop/types.ts';
import { checkOptions } from '../options.ts';
import type { Turn, TurnContext, TurnResult } from '../ports/foreign.ts';
import type { AgentInput, Prompt } from '../ports/model.ts';
import type { Effect, Retry } from '../ports/tool.ts';
import type { Rates } from '../pricing/price.ts';
import { checkPrices } from '../pricing/prices.ts';
import { messageOf } from '../reliability/classify.ts';
import { resolvePolicy } from '../reliability/policy.ts';
import { cancelHook } from './cancel.ts';
import { drive } from './drive.ts';
import type { Foreign } from './types.ts';

/** What names the work of a foreign agent, from its first turn to its end: see `key` of a tool. */
export interface ForeignIntent {
  /**
   * Names what the agent is to do with its input, 1 to 512 characters. What a key names happens once, over all runs and processes of a tenant; a
   * run whose key is done gets the first answer. Not for an agent that reads.
   */
  key?(input: Prompt): string;
  /** The name under which the key is unique. Default: the agent's name. */
  intent?: string;
  /** Milliseconds that a key stays done, by the store's clock. Default: for ever. */
  remember?: number;
}

export interface ForeignAgentOptions<O, St extends Json> extends ForeignIntent {
  name: string;
  description?: string;
  /** Whether a turn may run twice. Default `once`: after a crash or a timeout its outcome is unknown, and it is not repeated. */
  effect?: Effect;
  /** Milliseconds of one attempt at a turn. Default 600,000. */
  timeout?: number;
  retry?: Retry;
  limits?: Limits;
  /** US dollars per million tokens. Used for turns that report `usage` without `costUsd`. */
  price?: Rates;
  turn(turn: Turn<St>, ctx: TurnContext): Promise<TurnResult<O, St>>;
  /**
   * Called once if the run is cancelled while this agent waits for people, so that it can release what it holds elsewhere. It gets
   * the state of the last pause. Its signal is aborted after 10 seconds. A failure is ignored.
   */
  cancel?(state: St, ctx: TurnContext): Promise<void>;
}

/** Examples of the options that adapters of frameworks have too. */
export const FRAMEWORK = {
  name: "name: 'summary'",
  description: "description: 'Summarises a text'",
  effect: "effect: 'idempotent'",
  timeout: 'timeout: 60_000',
  retry: 'retry: { attempts: 3 }',
  limits: 'limits: { time: 60_000 }',
  price: 'price: { input: 3, output: 15 }',
  key: "key: (input) => 'report:' + input",
  intent: "intent: 'reports.monthly'",
  remember: 'remember: 30 * 86_400_000',
} satisfies Partial<Record<keyof ForeignAgentOptions<string, Json>, string>>;
const FOREIGN = {
  ...FRAMEWORK,
  turn: "turn: async (turn) => ({ status: 'completed', output: '...' })",
  cancel: 'cancel: async (state) => {}',
} satisfies Record<keyof ForeignAgentOptions<string, Json>, string>;

const TIMEOUT = 600_000;
/** Most milliseconds of an attempt that keeps reporting progress. */
const LONGEST = 3_600_000;

/**
 * Declares an agent that another framework, a function or a service runs: anything that takes a turn and completes, or pauses with questions.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function foreignAgent<O = string, St extends Json = Json>(
  o: ForeignAgentOptions<O, St>,
): Agent<AgentInput, O, Record<never, never>> {
  checkOptions(o, FOREIGN, typeof o?.name === 'string' ? `foreign agent "${o.name}"` : 'foreignAgent()');
  const { name, turn } = o;
  checkName(name, 'foreign agent', "foreignAgent({ name: 'summary', turn })");
  if (typeof turn !== 'function') throw invalid(`foreign agent "${name}" has no turn function: ${FOREIGN.turn}.`);
  checkLimits(o.limits, `foreign agent "${name}"`);
  const price = o.price && { ...o.price, source: '', date: '' };
  if (price) checkPrices({ [name]: price });
  const effect = o.effect ?? 'once';
  const policy = resolvePolicy({ name, effect, timeout: o.timeout ?? TIMEOUT, longest: LONGEST, retry: o.retry });
  const cancel = o.cancel as Foreign['cancel'];
  checkIntent({ ...o, effect }, `foreign agent "${name}"`, FOREIGN);
  const own: Foreign = { turn: turn as Foreign['turn'], cancel, policy, effect, price, meant: meaning(o) };
  const definition = made<AgentDefinition>({
    kind: 'foreign',
    name,
    description: o.description,
    tools: new Map(),
    sources: [],
    agents: [],
    limits: o.limits ?? {},
    use: [],
    reliability: {},
    parallel: 1,
    fingerprint: sha256(JSON.stringify(['foreign', name, effect])).slice(0, 16),
    child: () => undefined,
    drive: (scope) => drive(scope, own),
    onCancelled: cancel && ((run: RunFold, frame: Frame) => cancelHook(own, run, frame)),
  });
  return definition as Agent<AgentInput, O, Record<never, never>>;
}

const meaning =
  ({ name, key, intent = name, remember }: { name: string } & ForeignIntent): Foreign['meant'] =>
  (input) => {
    if (!key) return undefined;
    try {
      const found = named(intent, key(input as Prompt), digest(input ?? null));
      return typeof found === 'string' ? found : { ...found, ...(remember !== undefined && { remember }) };
    } catch (error) {
      return messageOf(error);
    }
  };
