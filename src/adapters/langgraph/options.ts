import type { RunnableConfig } from '@langchain/core/runnables';
import type { BaseCheckpointSaver } from '@langchain/langgraph';
import { invalid } from '../../errors.ts';
import { type ForeignAgentOptions, type ForeignIntent, FRAMEWORK } from '../../foreign/foreign.ts';
import type { Json } from '../../json.ts';
import { checkOptions } from '../../options.ts';
import type { TurnContext } from '../../ports/foreign.ts';
import type { Prompt } from '../../ports/model.ts';
import type { Decision } from '../../ports/tool.ts';
import type { Rates } from '../../pricing/price.ts';

/** The members of a compiled graph that are used. */
export interface CompiledGraphLike {
  stream(input: never, options?: never): Promise<AsyncIterable<unknown>>;
  getState(config: RunnableConfig): Promise<{ values: unknown; tasks: readonly { name: string }[]; config: RunnableConfig }>;
  checkpointer?: BaseCheckpointSaver | boolean | undefined;
  interruptBefore?: readonly string[] | '*' | undefined;
  interruptAfter?: readonly string[] | '*' | undefined;
  getSubgraphsAsync?(namespace?: string, recurse?: boolean): AsyncIterable<readonly [string, unknown]>;
  // a graph has one name for its output, or several
  outputChannels?: unknown;
  /** Of a `StateGraph`, whose input sets the channels of a schema and drops all else. */
  builder?: { _inputDefinition?: object };
}

/** What a node of the graph finds in `config.configurable.rondo`: the run that it is a part of. */
export type RondoConfigurable = Pick<TurnContext, 'runId' | 'session' | 'by' | 'context' | 'idempotencyKey' | 'traceparent'>;

/** The final state of a graph. */
// biome-ignore lint/suspicious/noExplicitAny: the type of a graph that is typed elsewhere does not say
type OutputOf<G> = G extends { '~OutputType': infer S } ? S : any;

/** @typeParam G the compiled graph: its type gives the state that `output` receives. */
export interface LanggraphAgentOptions<O = string, G = unknown>
  extends ForeignIntent,
    Pick<ForeignAgentOptions<O, Json>, 'timeout' | 'retry' | 'limits'> {
  name: string;
  /** Shown to a supervising model. */
  description?: string;
  /** `new StateGraph(...).compile({ checkpointer })`, `createReactAgent(...)`, or an entrypoint. */
  graph: G;
  /** The graph's input. Default: `{ messages: [{ role: 'user', content }] }`. A graph whose input has no `messages` needs it. */
  input?: (prompt: Prompt) => unknown;
  /** Makes the agent's output from the graph's. Default: the text of the last of its `messages`, else its JSON. */
  output?: (state: OutputOf<G>) => O;
  /**
   * What a second run of a turn would do. Default `once`: after a crash the outcome is unknown. With `idempotent` a turn is retried: the
   * thread continues from its last checkpoint, and only unsaved work runs again.
   */
  effect?: ForeignAgentOptions<O, Json>['effect'];
  /** The most steps of the graph in a turn. Default: LangGraph's, 25. */
  recursionLimit?: number;
  /** For a graph that was compiled without one. It must survive the process, like the engine's journal. */
  checkpointer?: BaseCheckpointSaver;
  /** US dollars per million tokens of its models. Without it, the cost of a run that calls them is unknown. */
  price?: Rates;
  /** The return value of `interrupt()`. Default: the answer, `true` for approve, `false` for reject, the new input for edit. */
  answer?: (decision: Decision) => Json;
}

export type GraphOptions<O> = Omit<LanggraphAgentOptions<O>, 'graph'> & { graph: CompiledGraphLike };

const OPTIONS = {
  ...FRAMEWORK,
  graph: 'graph: builder.compile({ checkpointer })',
  input: 'input: (prompt) => ({ messages: [prompt] })',
  output: 'output: (state) => state.answer',
  recursionLimit: 'recursionLimit: 50',
  checkpointer: "checkpointer: journalSaver(sqliteJournal('threads.db'))",
  answer: 'answer: (decision) => decision.type',
} satisfies Record<keyof LanggraphAgentOptions, string>;

/** @throws RondoError `CONFIG_INVALID`. */
export function checked<O, G>(o: LanggraphAgentOptions<O, G>): GraphOptions<O> {
  checkOptions(o, OPTIONS, 'langgraphAgent()');
  const { name, recursionLimit, checkpointer } = o;
  const graph = o.graph as CompiledGraphLike;
  if (typeof graph?.stream !== 'function' || typeof graph.getState !== 'function')
    throw wrong(name, 'graph is not a compiled graph. Call compile() on the StateGraph.');
  if (graph.checkpointer === true)
    throw wrong(name, 'the graph was compiled with `checkpointer: true`, which is for subgraphs. Pass a saver.');
  if (recursionLimit !== undefined && !(Number.isInteger(recursionLimit) && recursionLimit > 0))
    throw wrong(name, `recursionLimit is ${recursionLimit}; it must be a whole number above 0.`);
  if (checkpointer !== undefined && typeof checkpointer?.getTuple !== 'function')
    throw wrong(name, 'checkpointer is not a checkpoint saver. Pass journalSaver(journal), or one of LangGraph.');
  const takes = Object.keys(graph.builder?._inputDefinition ?? { messages: true });
  if (o.input === undefined && !takes.includes('messages'))
    throw wrong(
      name,
      `the graph takes ${takes.join(', ')}, and no messages: its nodes would not see the prompt. Pass input: (prompt) => ({ ${takes[0]}: ... }).`,
    );
  return o as GraphOptions<O>;
}

const wrong = (name: string, what: string) => invalid(`langgraphAgent("${name}"): ${what}`);
