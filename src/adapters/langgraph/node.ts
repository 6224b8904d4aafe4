import type { RunnableConfig } from '@langchain/core/runnables';
import { Annotation, Command, END, interrupt, type LangGraphRunnableConfig, START, StateGraph } from '@langchain/langgraph';
import { newId } from '../../engine/drive/ids.ts';
import type { Engine } from '../../engine/engine.ts';
import type { ContextFor, ServedWithoutContext, ServingArgs } from '../../engine/options.ts';
import type { RunResult } from '../../engine/read/results.ts';
import type { Run } from '../../engine/run.ts';
import { invalid, RondoError } from '../../errors.ts';
import type { Approval } from '../../hitl/approvals.ts';
import { sha256 } from '../../journal/canonical.ts';
import type { Json } from '../../json.ts';
import { assertContext } from '../../loop/context-needed.ts';
import type { Agent } from '../../loop/types.ts';
import { checkOptions } from '../../options.ts';

import type { Principal } from '../../ports/principal.ts';
import type { Decision } from '../../ports/tool.ts';
import { isolated } from './isolate.ts';

/** The `value` of the interrupt with which a Rondo agent waits for people, as the graph's caller sees it. Plain JSON. */
export interface PendingApprovals {
  runId: string;
  approvals: readonly Approval[];
  /** Why the last decisions were refused. */
  problem?: string;
}

type WithoutId<D> = D extends { approval: string } ? Omit<D, 'approval'> & { approval?: string } : never;

/** The value that resumes such an interrupt: decisions on some or all approvals. If only one is open, its id may be omitted. */
export type Decisions = WithoutId<Decision> | readonly Decision[];

/** @typeParam S the state of the graph that contains the node. */
export interface RondoNodeOptions<I, O, S, C = Json> {
  /** Makes the agent's input from the graph's state. Default: the text of the last of its `messages`. */
  input?: (state: S) => I;
  /** Makes the state's update from the agent's answer. Default: one more of the `messages`. */
  output?: (output: O, state: S) => object;
  /**
   * Who starts the run and who decides, from the graph's config: from your authentication, never from the answer. Default: the run has
   * no principal, and decisions are by `{ id: 'langgraph' }` without roles.
   */
  by?: (config: RunnableConfig) => Principal | undefined;
  /** The context of the agent's tools. Required where they need one. */
  context?: (config: RunnableConfig) => C;
  /** Default: none. The graph keeps the conversation. */
  session?: (config: RunnableConfig) => string | undefined;
}

const OPTIONS = {
  input: 'input: (state) => state.question',
  output: 'output: (answer) => ({ answer })',
  by: 'by: ({ configurable }) => configurable.user',
  context: 'context: ({ configurable }) => configurable.context',
  session: 'session: ({ configurable }) => configurable.thread_id',
} satisfies Record<keyof RondoNodeOptions<unknown, unknown, unknown>, string>;

type GraphNode<S> = (state: S, config: LangGraphRunnableConfig) => Promise<object>;

/** Between the nodes of the subgraph. */
interface Pending extends PendingApprovals {
  decided?: readonly Decision[];
}

const RUN = 'run';
const HUMAN = 'human';
const Inner = Annotation.Root({
  id: Annotation<string>,
  input: Annotation<unknown>,
  pending: Annotation<Pending | undefined>,
  output: Annotation<unknown>,
});

// biome-ignore lint/suspicious/noExplicitAny: messages of any kind, in a state of any kind
type Default = { messages: any };

/**
 * A Rondo agent as a node of a LangGraph graph: `graph.addNode('support', rondoNode(engine, support))`.
 *
 * The node is a graph of two nodes: one drives the run until it ends or pauses, the other interrupts with the open approvals. So an
 * answer does not run a node body again, and a node that LangGraph runs again, after a crash or by a retry policy, finds its run and
 * continues it. The graph needs a checkpointer if the agent asks people.
 *
 * Every event of the run goes to the graph's `custom` stream. Aborting the graph cancels the run for good. A run that does not complete
 * throws RondoError `RUN_NOT_COMPLETED`.
 */
export function rondoNode<I, O, C, S = Default>(
  engine: Engine,
  agent: Agent<I, O, C>,
  ...options: ServingArgs<ContextFor<Agent<I, O, C>>, RondoNodeOptions<I, O, S, ContextFor<Agent<I, O, C>>>>
): GraphNode<S>;
// its type error says what is missing, instead of "Expected 3 arguments, but got 2"
export function rondoNode<A extends Agent, S = Default>(engine: Engine, agent: A & ServedWithoutContext<A>): GraphNode<S>;
export function rondoNode<I, O, C, S>(
  engine: Engine,
  agent: Agent<I, O, C>,
  options: RondoNodeOptions<I, O, S, ContextFor<Agent<I, O, C>>> = {},
): GraphNode<S> {
  checkOptions(options, OPTIONS, 'rondoNode()', {
    input: 'function',
    output: 'function',
    by: 'function',
    context: 'function',
    session: 'function',
  });
  assertContext(agent as Agent, options.context, 'rondoNode()', 'context: ({ configurable }) => ({ ... })');
  const { input = lastText, output = asMessage(agent.name) } = options;
  const inner = subgraph(engine, agent as Agent, options as Who);
  return async (state, config) => {
    const { thread_id, checkpoint_ns } = config.configurable ?? {};
    // the task's id, which is the same however often the task runs
    const id = thread_id === undefined ? newId() : `lg_${sha256(JSON.stringify([thread_id, checkpoint_ns])).slice(0, 32)}`;
    const ended = await inner.invoke({ id, input: input(state) }, config);
    return output(ended.output as O, state);
  };
}

type Who = Pick<RondoNodeOptions<never, never, never>, 'by' | 'context' | 'session'>;

function subgraph(engine: Engine, agent: Agent, { by, context, session }: Who) {
  async function run({ id, input, pending }: typeof Inner.State, config: LangGraphRunnableConfig) {
    const { signal } = config;
    const who = by?.(config);
    const listen = async (started: Run) => {
      for await (const event of started) config.writer?.(event);
      return started;
    };
    const options = { signal, by: who };
    try {
      const result = await isolated(async () => {
        if (pending?.decided) {
          await engine.decide(id, pending.decided, { by: who ?? { id: 'langgraph' } });
          return listen(engine.resume(id, { ...options, agent }));
        }
        const named = session?.(config);
        const o = { id, ...options, session: named, context: context?.(config) };
        return listen(engine.run(agent, input, o)).catch((error) => {
          // an earlier attempt of this node started it
          if (!RondoError.is(error, 'RUN_EXISTS')) throw error;
          return listen(engine.resume(id, { ...options, agent }));
        });
      });
      return next(result);
    } catch (error) {
      // the person who decided sees the reason, and may decide differently
      if (!pending || !RondoError.is(error) || !REFUSED.has(error.code)) throw error;
      return wait({ runId: id, approvals: pending.approvals, problem: error.message });
    }
  }

  function human({ pending }: typeof Inner.State) {
    const { decided: _, ...asked } = pending as Pending;
    const decided = decisionsOf(interrupt(asked), asked.approvals);
    if (!decided)
      return wait({
        ...asked,
        problem: 'An answer is a decision, such as { type: "approve" }, or a list of decisions with their approvals.',
      });
    return new Command({ update: { pending: { ...asked, decided } }, goto: RUN });
  }

  return new StateGraph(Inner)
    .addNode(RUN, run, { ends: [HUMAN, END] })
    .addNode(HUMAN, human, { ends: [RUN, HUMAN] })
    .addEdge(START, RUN)
    .compile({ name: agent.name });
}

const REFUSED: ReadonlySet<string> = new Set([
  'APPROVAL_NOT_FOUND',
  'APPROVAL_CLOSED',
  'APPROVAL_EXPIRED',
  'DECISION_INVALID',
  'NOT_PERMITTED',
]);

const wait = (pending: Pending) => new Command({ update: { pending }, goto: HUMAN });

function next(result: RunResult) {
  if (result.status === 'completed') return new Command({ update: { output: result.output, pending: undefined }, goto: END });
  if (result.status === 'paused' && result.approvals.length > 0) return wait({ runId: result.runId, approvals: result.approvals });
  const why = result.status === 'failed' ? `failed: ${result.error.code}: ${result.error.message}` : result.status;
  throw new RondoError('RUN_NOT_COMPLETED', `run ${result.runId} of a LangGraph node ended as ${why}.`, {
    details: JSON.parse(JSON.stringify(result)),
  });
}

function decisionsOf(answer: unknown, open: readonly Approval[]): readonly Decision[] | undefined {
  const list: readonly unknown[] = Array.isArray(answer) ? answer : [answer];
  const [only] = open;
  const whole = list.map((given) => {
    if (typeof given !== 'object' || given === null || !('type' in given)) return undefined;
    return 'approval' in given || open.length !== 1 ? given : { ...given, approval: only?.id };
  });
  return whole.length > 0 && !whole.includes(undefined) ? (whole as Decision[]) : undefined;
}

function lastText(state: unknown): string {
  const messages = (state as { messages?: readonly { text?: unknown }[] } | undefined)?.messages;
  const text = Array.isArray(messages) ? messages.at(-1)?.text : undefined;
  if (typeof text === 'string') return text;
  throw invalid('The state of this graph has no messages. Say what the agent is asked: rondoNode(engine, agent, { input }).');
}

const asMessage = (name: string) => (output: unknown) => ({
  messages: [{ role: 'assistant', content: typeof output === 'string' ? output : JSON.stringify(output), name }],
});
