import type { RunnableConfig } from '@langchain/core/runnables';
import { type BaseCheckpointSaver, Command } from '@langchain/langgraph';
import { ToolError } from '../../errors.ts';
import { type Json, toldJson } from '../../json.ts';
import type { Ask, Turn, TurnContext, TurnResult } from '../../ports/foreign.ts';
import type { Part, Prompt } from '../../ports/model.ts';
import type { Decision } from '../../ports/tool.ts';
import { cost } from '../../pricing/cost.ts';
import { type Asked, answerOf, asksOf } from './asks.ts';
import { failure, noCheckpointer, threadLost } from './failure.ts';
import { isolated } from './isolate.ts';
import type { CompiledGraphLike, GraphOptions, RondoConfigurable } from './options.ts';
import { type Form, reviewOf } from './review.ts';
import { type Drained, drain, type Interruption, Meter } from './stream.ts';

/**
 * Where one interrupt was raised, so that its answer goes to it and not to a later one: LangGraph gives all interrupts of a node one id.
 */
type Waiting = {
  id: string;
  /** The namespace, checkpoint and task of the node, and how many answers it had by then. */
  ns: string;
  checkpoint?: string;
  task?: string;
  answers: number;
  /** For a request in one of LangChain's forms: how it is answered. */
  form?: Form;
};

/** The state in the run's journal while people are asked; the graph's own state is in its checkpointer. */
export type Waits = { waiting: readonly Waiting[] } | { before: readonly string[]; checkpoint: string };

const isStop = (waits: Waits): waits is Extract<Waits, { before: unknown }> => 'before' in waits;

/** One turn of a graph as a foreign agent. */
export async function takeTurn<O>(o: GraphOptions<O>, turn: Turn<Waits>, ctx: TurnContext): Promise<TurnResult<O, Waits>> {
  try {
    return await isolated(() => new GraphTurn(o, ctx).take(turn));
  } catch (error) {
    if (ctx.signal.aborted) throw ctx.signal.reason;
    throw ToolError.is(error) && error.outcome !== 'not-run' ? error : failure(error, o.name);
  }
}

const AGAIN = Symbol('again');

class GraphTurn<O> {
  readonly #o: GraphOptions<O>;
  readonly #graph: CompiledGraphLike;
  readonly #ctx: TurnContext;
  readonly #saver: BaseCheckpointSaver | undefined;
  readonly #meter = new Meter();

  constructor(o: GraphOptions<O>, ctx: TurnContext) {
    this.#o = o;
    this.#graph = o.graph;
    this.#ctx = ctx;
    this.#saver = typeof o.graph.checkpointer === 'object' ? o.graph.checkpointer : o.checkpointer;
  }

  async take(turn: Turn<Waits>): Promise<TurnResult<O, Waits>> {
    const begun = (await this.#saver?.getTuple(this.#at(''))) !== undefined;
    let input: unknown;
    if (turn.type === 'resume') {
      if (!this.#saver) throw noCheckpointer(this.#o.name);
      if (!begun) throw threadLost(this.#o.name, this.#ctx.thread);
      input = await this.#resumption(turn);
    } else input = begun ? AGAIN : (this.#o.input ?? inputOf)(turn.input);
    if (input !== AGAIN) return this.#run(input);
    // an earlier attempt got this far
    const { values, tasks } = await this.#graph.getState(this.#config());
    // not `next`: it omits a node that was answered and interrupted again, or failed
    if (tasks.length === 0) return this.#completed(values);
    return ((await hasStops(this.#graph)) ? await this.#stopped() : undefined) ?? this.#run(null);
  }

  /** The input to continue with: the answers that an earlier attempt of this turn did not deliver. */
  async #resumption({ state, answers }: Extract<Turn<Waits>, { type: 'resume' }>): Promise<unknown> {
    if (isStop(state)) {
      const refused = answers.find(({ decision }) => decision.type === 'reject');
      if (refused) throw rejected(this.#o.name, refused.decision);
      const { config } = await this.#graph.getState(this.#config());
      return config.configurable?.checkpoint_id === state.checkpoint ? null : AGAIN;
    }
    const decisions = new Map(answers.map(({ id, decision }) => [id, decision]));
    const resume: Record<string, Json> = {};
    for (const waiting of state.waiting) if (await this.#waits(waiting)) resume[waiting.id] = this.#answer(waiting, decisions);
    // always by id: a bare answer goes to every open interrupt, and a falsy one to none
    return Object.keys(resume).length > 0 ? new Command({ resume }) : AGAIN;
  }

  #answer({ id, form }: Waiting, decisions: ReadonlyMap<string, Decision>): Json {
    if (form)
      return reviewOf(
        form,
        form.actions.map((_, i) => decisions.get(`${id}.${i}`)),
      );
    const decision = decisions.get(id);
    if (!decision) throw new ToolError('LANGGRAPH_FAILED', `Graph "${this.#o.name}": interrupt ${id} has no answer.`);
    return (this.#o.answer ?? answerOf)(decision);
  }

  async #run(input: unknown): Promise<TurnResult<O, Waits>> {
    const { emit, signal } = this.#ctx;
    const stream = await this.#graph.stream(
      input as never,
      {
        ...this.#config(),
        signal,
        durability: 'sync',
        subgraphs: true,
        streamMode: ['values', 'updates', ...(emit ? ['messages', 'custom'] : [])],
        callbacks: [this.#meter],
        ...(this.#graph.outputChannels !== undefined && { outputKeys: this.#graph.outputChannels }),
        ...(this.#o.recursionLimit !== undefined && { recursionLimit: this.#o.recursionLimit }),
      } as never,
    );
    const drained = await drain(stream, emit);
    if (drained.interrupts.length > 0) return this.#paused(drained);
    return (await this.#stopped()) ?? this.#completed(drained.output);
  }

  #completed(values: unknown): TurnResult<O, Waits> {
    const output = (this.#o.output ?? (outputOf as (state: unknown) => O))(values);
    return { status: 'completed', output, ...this.#usage() };
  }

  async #paused({ interrupts }: Drained): Promise<TurnResult<O, Waits>> {
    const nameless = interrupts.some(({ id }) => typeof id !== 'string');
    if (!this.#saver) throw noCheckpointer(this.#o.name);
    if (nameless)
      throw new ToolError(
        'LANGGRAPH_FAILED',
        `Graph "${this.#o.name}" interrupts with NodeInterrupt, which cannot be answered. Use interrupt().`,
      );
    const asked = interrupts.map((raised) => asksOf(raised));
    const waiting = await Promise.all(interrupts.map((raised, i) => this.#waiting(raised, asked[i] as Asked)));
    const asks = asked.flatMap(({ asks }) => asks) as [Ask, ...Ask[]];
    return { status: 'paused', state: { waiting }, asks, ...this.#usage() };
  }

  /** Whether the graph, or one in it, stands at an `interruptBefore` or `interruptAfter`. */
  async #stopped(): Promise<TurnResult<O, Waits> | undefined> {
    if (!this.#saver) {
      if (await hasStops(this.#graph)) throw noCheckpointer(this.#o.name);
      return undefined;
    }
    const { tasks, config } = await this.#graph.getState(this.#config());
    const checkpoint: unknown = config.configurable?.checkpoint_id;
    if (tasks.length === 0 || typeof checkpoint !== 'string') return undefined;
    const next = tasks.map(({ name }) => name);
    const question = `The graph "${this.#o.name}" stopped before ${next.join(', ')}. Go on?`;
    const ask: Ask = { id: `stop:${checkpoint}`, kind: 'question', question, allow: ['approve', 'respond', 'reject'] };
    return { status: 'paused', state: { before: next, checkpoint }, asks: [ask], ...this.#usage() };
  }

  async #waiting({ id, ns: names }: Interruption, { form }: Asked): Promise<Waiting> {
    const ns = names.join('|');
    const tuple = await this.#saver?.getTuple(this.#at(ns));
    const task = tuple?.pendingWrites?.find(([, channel, raised]) => channel === INTERRUPT && raises(raised, id))?.[0];
    const checkpoint = tuple?.checkpoint.id;
    return {
      id,
      ns,
      answers: answersIn(tuple?.pendingWrites, task),
      ...(checkpoint !== undefined && { checkpoint }),
      ...(task !== undefined && { task }),
      ...(form && { form }),
    };
  }

  /** Whether an interrupt is still unanswered. One that cannot be looked up counts as before. */
  async #waits({ ns, checkpoint, task, answers }: Waiting): Promise<boolean> {
    if (checkpoint === undefined || task === undefined) return true;
    const tuple = await this.#saver?.getTuple(this.#at(ns, checkpoint));
    if (!tuple) return true;
    const ended = tuple.pendingWrites?.some(([id, channel]) => id === task && !SPECIAL.has(channel)) ?? false;
    return !ended && answersIn(tuple.pendingWrites, task) === answers;
  }

  #usage() {
    const { usage, complete } = this.#meter;
    const { price } = this.#o;
    const costUsd = price && complete ? cost(usage, { ...price, source: '', date: '' }) : undefined;
    return { ...(usage && { usage }), ...(costUsd !== undefined && { costUsd }), ...(!complete && { unmetered: true as const }) };
  }

  #at(checkpoint_ns: string, checkpoint_id?: string): RunnableConfig {
    return { configurable: { thread_id: this.#ctx.thread, checkpoint_ns, ...(checkpoint_id !== undefined && { checkpoint_id }) } };
  }

  #config(): RunnableConfig {
    const { thread, runId, session, by, context, idempotencyKey, traceparent } = this.#ctx;
    const own = !this.#graph.checkpointer && this.#saver ? { __pregel_checkpointer: this.#saver } : {};
    const rondo: RondoConfigurable = { runId, session, by, context, idempotencyKey, traceparent };
    return { configurable: { thread_id: thread, rondo, ...own } };
  }
}

async function hasStops(graph: CompiledGraphLike): Promise<boolean> {
  const stops = ({ interruptBefore, interruptAfter }: CompiledGraphLike) => Boolean(interruptBefore?.length || interruptAfter?.length);
  if (stops(graph)) return true;
  if (graph.getSubgraphsAsync)
    for await (const [, inner] of graph.getSubgraphsAsync(undefined, true)) if (stops(inner as CompiledGraphLike)) return true;
  return false;
}

const INTERRUPT = '__interrupt__';
const RESUME = '__resume__';
const SPECIAL: ReadonlySet<string> = new Set([INTERRUPT, RESUME, '__error__', '__scheduled__']);

type PendingWrites = readonly (readonly [string, string, unknown])[] | undefined;

const answersIn = (writes: PendingWrites, task: string | undefined): number =>
  (writes ?? []).reduce(
    (n, [id, channel, value]) => n + (id === task && channel === RESUME ? (Array.isArray(value) ? value.length : 1) : 0),
    0,
  );

/** A task's pending interrupts: one up to LangGraph 1.4, a list since. */
const raises = (raised: unknown, id: string): boolean =>
  Array.isArray(raised) ? raised.some((one) => raises(one, id)) : (raised as { id?: unknown } | null)?.id === id;

const rejected = (name: string, decision: Decision) =>
  new ToolError('REJECTED', `Graph "${name}" was not to go on: ${decision.type === 'reject' ? decision.reason : ''}`);

const inputOf = (prompt: Prompt) => ({ messages: [{ role: 'user', content: typeof prompt === 'string' ? prompt : prompt.map(blockOf) }] });

function blockOf(part: Part): object {
  if (part.type === 'text') return { type: 'text', text: part.text };
  if (part.type === 'image') return { type: 'image', mimeType: part.mediaType, data: part.data };
  if (part.type === 'document')
    return { type: 'file', mimeType: part.mediaType, data: part.data, ...(part.name && { metadata: { filename: part.name } }) };
  return { type: 'text', text: JSON.stringify(part) };
}

function outputOf(state: unknown): string {
  const messages = (state as { messages?: unknown } | null | undefined)?.messages;
  const last = Array.isArray(messages) ? (messages.at(-1) as { text?: unknown; content?: unknown } | undefined) : undefined;
  if (typeof last?.text === 'string') return last.text;
  if (typeof last?.content === 'string') return last.content;
  return typeof state === 'string' ? state : JSON.stringify(toldJson(state).json);
}
