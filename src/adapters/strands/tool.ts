import {
  type InvocationState,
  type JSONSchema,
  type JSONValue,
  JsonBlock,
  TextBlock,
  Tool,
  type ToolContext,
  ToolResultBlock,
  type ToolSpec,
  ToolStreamEvent,
  type ToolStreamGenerator,
} from '@strands-agents/sdk';
import type { Engine } from '../../engine/engine.ts';
import type { ContextFor, ServedWithoutContext, ServingArgs } from '../../engine/options.ts';
import type { RunResult } from '../../engine/read/results.ts';
import type { Run } from '../../engine/run.ts';
import { RondoError } from '../../errors.ts';
import type { Approval } from '../../hitl/approvals.ts';
import type { Json } from '../../json.ts';
import { assertContext } from '../../loop/context-needed.ts';
import type { Agent } from '../../loop/types.ts';
import { checkOptions } from '../../options.ts';

import type { Principal } from '../../ports/principal.ts';
import { decisionOf } from './answer.ts';

export interface RondoToolOptions<C = Json> {
  /** Default: the agent's. */
  name?: string;
  description?: string;
  /** For an agent that takes an object: its JSON Schema. Default: one text, `input`. */
  input?: JSONSchema;
  /** Who the run is for. */
  by?: Principal | ((state: InvocationState) => Principal | undefined);
  /** The run's context. Required where the agent's tools need one. */
  context?: (state: InvocationState) => C;
  /**
   * Who answered an interrupt, from the caller's authentication. Default: a principal without roles, so that an approval that requires a
   * role stays open.
   */
  decidedBy?: (response: Json, state: InvocationState) => Principal;
}

const OPTIONS = {
  name: "name: 'support'",
  description: "description: 'Answers customers'",
  input: "input: { type: 'object', properties: { orderId: { type: 'string' } } }",
  by: 'by: ({ user }) => user',
  context: 'context: ({ tenant }) => ({ tenant })',
  decidedBy: 'decidedBy: (_, { user }) => user',
} satisfies Record<keyof RondoToolOptions, string>;

/**
 * A Rondo agent as a tool of a Strands agent. When its run pauses, the Strands agent is interrupted once for each open approval. Its
 * responses are recorded as decisions, and the same run continues; nothing that ran is run again. The run's id is in the Strands agent's
 * `appState`, so whatever saves that agent saves it too.
 *
 * The engine that resumes must know the agent: `new Engine({ agents: [...] })`.
 */
export function rondoTool<A extends Agent>(
  engine: Engine,
  agent: A,
  ...options: ServingArgs<ContextFor<A>, RondoToolOptions<ContextFor<A>>>
): Tool;
// its type error says what is missing, instead of "Expected 3 arguments, but got 2"
export function rondoTool<A extends Agent>(engine: Engine, agent: A & ServedWithoutContext<A>): Tool;
export function rondoTool(engine: Engine, agent: Agent, o: RondoToolOptions<unknown> = {}): Tool {
  checkOptions(o, OPTIONS, 'rondoTool()', { context: 'function', decidedBy: 'function' });
  assertContext(agent, o.context, 'rondoTool()', 'context: (state) => ({ ... })');
  return new RondoTool(engine, agent, o as RondoToolOptions);
}

/** In `appState`: the run of each call that has not ended. */
const KEY = 'rondo.runs';
/** With the refused answers to its approvals: how many, and why the last was refused. */
type Kept = { run: string; refused?: { [approval: string]: { times: number; why: string } } };
type Calls = { [toolUseId: string]: Kept };

class RondoTool extends Tool {
  readonly name: string;
  readonly description: string;
  readonly toolSpec: ToolSpec;
  readonly #engine: Engine;
  readonly #agent: Agent;
  readonly #o: RondoToolOptions;

  constructor(engine: Engine, agent: Agent, o: RondoToolOptions) {
    super();
    this.#engine = engine;
    this.#agent = agent;
    this.#o = o;
    this.name = o.name ?? agent.name;
    this.description = o.description ?? agent.description ?? `Gives a task to the agent ${agent.name} and returns its answer.`;
    this.toolSpec = { name: this.name, description: this.description, inputSchema: o.input ?? TEXT };
  }

  async *stream(ctx: ToolContext): ToolStreamGenerator {
    const { toolUseId } = ctx.toolUse;
    const known = recall(ctx)?.run;
    let block: ToolResultBlock;
    try {
      const run = known === undefined ? this.#begin(ctx) : undefined;
      const runId = run?.id ?? (known as string);
      let stand = run ? yield* told(run) : ((await this.#waiting(ctx, runId)) ?? (yield* this.#goOn(ctx, runId)));
      while (stand.status === 'paused' && stand.approvals.length > 0) {
        remember(ctx, { ...recall(ctx), run: runId });
        await this.#ask(ctx, runId, stand.approvals);
        stand = yield* this.#goOn(ctx, runId);
      }
      block = answer(toolUseId, stand);
    } catch (error) {
      if (isInterrupt(error)) throw error;
      remember(ctx, undefined);
      if (!RondoError.is(error)) throw error;
      block = failed(toolUseId, { status: 'failed', error: { code: error.code, message: error.message } });
    }
    remember(ctx, undefined);
    return block;
  }

  #who({ invocationState }: Pick<ToolContext, 'invocationState'>): Principal | undefined {
    const { by } = this.#o;
    return typeof by === 'function' ? by(invocationState) : by;
  }

  #begin({ toolUse, invocationState, cancelSignal }: ToolContext): Run {
    const { context } = this.#o;
    const input = this.#o.input ? toolUse.input : (toolUse.input as { input?: unknown } | null)?.input;
    const who = this.#who({ invocationState });
    return this.#engine.run(this.#agent, input ?? '', {
      signal: cancelSignal,
      by: who,
      context: context?.(invocationState),
    });
  }

  /** What a run waits for; undefined if it may continue: it was decided in another way, or its process died. */
  async #waiting(ctx: ToolContext, runId: string): Promise<{ status: 'paused'; approvals: readonly Approval[] } | undefined> {
    const { status, approvals } = await this.#engine.inspect(runId, { by: this.#who(ctx) });
    return status === 'paused' && approvals.length > 0 ? { status, approvals } : undefined;
  }

  async *#goOn(ctx: ToolContext, runId: string): AsyncGenerator<ToolStreamEvent, RunResult, undefined> {
    const signal = ctx.cancelSignal;
    const by = this.#who(ctx);
    for (;;) {
      try {
        return yield* told(this.#engine.resume(runId, { signal, by }));
      } catch (error) {
        if (!RondoError.is(error, 'RUN_BUSY')) throw error;
      }
      // another process drives it, for example after recovery: this one waits for its end
      for await (const event of this.#engine.watch(runId, { signal, by })) yield new ToolStreamEvent({ data: event });
      signal.throwIfAborted();
    }
  }

  /** Records the answers, then interrupts for the remaining approvals, all at once. */
  async #ask(ctx: ToolContext, runId: string, approvals: readonly Approval[]): Promise<void> {
    const open: unknown[] = [];
    for (const approval of approvals) {
      try {
        await this.#decide(ctx, runId, approval);
      } catch (error) {
        if (!isInterrupt(error)) throw error;
        open.push(error);
      }
    }
    const [first, ...rest] = open.filter(isInterrupt);
    if (!first) return;
    for (const { interrupts } of rest) first.interrupts.push(...interrupts);
    throw first;
  }

  async #decide(ctx: ToolContext, runId: string, approval: Approval): Promise<void> {
    for (;;) {
      const kept = recall(ctx) ?? { run: runId };
      // Strands returns the first answer of an interrupt again for ever. A refused answer must not count as the next person's, so the
      // approval gets another interrupt name.
      const { times = 0, why } = kept.refused?.[approval.id] ?? {};
      const response = ctx.interrupt<JSONValue>({
        name: times === 0 ? approval.id : `${approval.id}#${times + 1}`,
        reason: { ...(approval as unknown as { [k: string]: JSONValue }), ...(why !== undefined && { refused: why }) },
      });
      const by = this.#o.decidedBy?.(response, ctx.invocationState) ?? strandsOf(this.#who(ctx));
      try {
        await this.#engine.decide(runId, [decisionOf(approval, response)], { by });
        return;
      } catch (error) {
        if (RondoError.is(error, 'APPROVAL_CLOSED') || RondoError.is(error, 'APPROVAL_EXPIRED')) return;
        if (!RondoError.is(error, 'DECISION_INVALID') && !RondoError.is(error, 'NOT_PERMITTED')) throw error;
        remember(ctx, { ...kept, refused: { ...kept.refused, [approval.id]: { times: times + 1, why: error.message } } });
      }
    }
  }
}

/** Without a name and roles, but of the tenant of the run: no other can decide. */
const strandsOf = (who: Principal | undefined): Principal => ({ id: 'strands', ...(who?.tenant !== undefined && { tenant: who.tenant }) });

const TEXT: JSONSchema = {
  type: 'object',
  properties: { input: { type: 'string', description: 'The task, in full: the agent sees nothing else.' } },
  required: ['input'],
};

/** Strands does not export the class. */
const isInterrupt = (error: unknown): error is Error & { interrupts: unknown[] } =>
  error instanceof Error && error.name === 'InterruptError' && 'interrupts' in error && Array.isArray(error.interrupts);

const callsOf = ({ agent }: ToolContext) => (agent.appState.get(KEY) as Calls | undefined) ?? {};

function recall(ctx: ToolContext): Kept | undefined {
  const calls = callsOf(ctx);
  return Object.hasOwn(calls, ctx.toolUse.toolUseId) ? calls[ctx.toolUse.toolUseId] : undefined;
}

function remember(ctx: ToolContext, kept: Kept | undefined): void {
  const { appState } = ctx.agent;
  const { [ctx.toolUse.toolUseId]: _, ...others } = callsOf(ctx);
  const calls: Calls = kept ? { ...others, [ctx.toolUse.toolUseId]: kept } : others;
  if (Object.keys(calls).length > 0) appState.set(KEY, calls);
  else appState.delete(KEY);
}

async function* told(run: Run): AsyncGenerator<ToolStreamEvent, RunResult, undefined> {
  for await (const event of run) yield new ToolStreamEvent({ data: event });
  return run;
}

function answer(toolUseId: string, result: RunResult | { status: 'paused' }): ToolResultBlock {
  switch (result.status) {
    case 'completed': {
      const { output } = result;
      const block = typeof output === 'string' ? new TextBlock(output) : new JsonBlock({ json: output as JSONValue });
      return new ToolResultBlock({ toolUseId, status: 'success', content: [block] });
    }
    case 'failed':
      return failed(toolUseId, { status: 'failed', error: result.error });
    case 'stopped':
      return failed(toolUseId, { status: 'stopped', limit: result.limit });
    default:
      return failed(toolUseId, { status: result.status, ...('reason' in result && { reason: result.reason }) });
  }
}

/** What the model is told about a run that did not complete: how it ended, and why. */
const failed = (toolUseId: string, why: { status: RunResult['status']; [k: string]: unknown }) =>
  new ToolResultBlock({ toolUseId, status: 'error', content: [new TextBlock(JSON.stringify(why))] });
