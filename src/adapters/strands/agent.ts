import {
  type AgentResult,
  type AgentStreamEvent,
  InterruptResponseContent,
  type InvocationState,
  type InvokeArgs,
  type JSONValue,
  type Snapshot,
  type Agent as StrandsAgent,
} from '@strands-agents/sdk';
import { invalid, ToolError } from '../../errors.ts';
import type { ForeignAgentOptions } from '../../foreign/foreign.ts';
import { totalOf } from '../../journal/fold/spent.ts';
import type { Ask, Turn, TurnContext, TurnResult } from '../../ports/foreign.ts';
import type { Decision } from '../../ports/tool.ts';
import { inputOf, textOf, usageOf } from './convert.ts';
import { failure, stopped } from './failure.ts';
import { askOf, enforce, type Interrupted, interrupted, responseOf, rulingOf } from './interrupts.ts';
import { load, openInterrupts, pendingCalls, type Ruling, type Rulings, type StrandsState, save } from './state.ts';

export interface StrandsAgentOptions<O = string> extends Omit<ForeignAgentOptions<O, StrandsState>, 'turn'> {
  /**
   * Creates the agent for a turn; best a new one each time. A given `Agent` is shared by all runs, one turn after another, and is reset
   * before each; it must not have a session manager. `printer: false` keeps it from writing to the console.
   */
  agent: StrandsAgent | ((ctx: TurnContext) => StrandsAgent | Promise<StrandsAgent>);
  /** What its tools and hooks get as `invocationState`. It is not stored: every turn creates it again. */
  invocationState?(ctx: TurnContext): InvocationState;
  /** Makes the output. Default: the structured output if there is one, else the text of the answer. */
  output?(result: AgentResult): O;
  /** Overrides what a person is asked about an interrupt; its id stays. */
  ask?(interrupted: Interrupted): Ask | undefined;
  /** The return value of `interrupt()`. Default: the answer to a question, `true` for approve, `false` for reject. */
  answer?(decision: Decision, interrupted: Interrupted): JSONValue | undefined;
}

/** The turn of a Strands agent, for `foreignAgent()`. */
export function strandsTurn<O = string>(
  o: StrandsAgentOptions<O>,
): (turn: Turn<StrandsState>, ctx: TurnContext) => Promise<TurnResult<O, StrandsState>> {
  const { agent } = o;
  if (typeof agent === 'function') {
    return async (turn, ctx) => {
      ctx.signal.throwIfAborted();
      return perform(o, await agent(ctx), turn, ctx);
    };
  }
  if (agent.sessionManager)
    throw invalid(
      `strandsAgent("${o.name}"): this agent has a session manager, so all runs would share one conversation. Pass a function that makes an agent.`,
    );
  let pristine: Snapshot | undefined;
  let last: Promise<unknown> = Promise.resolve();
  return (turn, ctx) => {
    const next = last.then(async () => {
      ctx.signal.throwIfAborted();
      await agent.initialize();
      pristine ??= structuredClone(agent.takeSnapshot({ preset: 'session' }));
      agent.loadSnapshot(structuredClone(pristine));
      return perform(o, agent, turn, ctx);
    });
    last = next.catch(() => undefined);
    return next;
  };
}

async function perform<O>(
  o: StrandsAgentOptions<O>,
  agent: StrandsAgent,
  turn: Turn<StrandsState>,
  ctx: TurnContext,
): Promise<TurnResult<O, StrandsState>> {
  const turned = { began: false };
  let rules: ReturnType<typeof enforce> | undefined;
  try {
    // a session manager restores its own session here; the journal's state is loaded afterwards and wins
    await agent.initialize();
    const { args, rulings } = turn.type === 'start' ? { args: inputOf(turn.input), rulings: {} } : resumed(o, agent, turn);
    rules = enforce(agent, rulings);
    const before = agent.metrics.agentInvocations.length;
    const state = o.invocationState?.(ctx);
    const events = agent.stream(args, { cancelSignal: ctx.signal, ...(state && { invocationState: state }) });
    const result = await drive(events, ctx, turned);
    if (ctx.signal.aborted) throw ctx.signal.reason;
    const usage = usageOf(agent.metrics, before);
    // a turn that asks for the next approval at once need not have asked the model
    const asked = turn.type === 'start' || result.stopReason !== 'interrupt';
    const used = { usage, ...(asked && totalOf(usage) === 0 && { unmetered: true as const }) };
    if (result.stopReason !== 'interrupt') {
      const without = stopped(result.stopReason);
      if (without) throw without;
      const output = o.output ? o.output(result) : ((result.structuredOutput ?? textOf(result)) as O);
      return { status: 'completed', output, ...used };
    }
    const kept = save(agent, rules.left());
    const calls = pendingCalls(kept);
    const asks = openInterrupts(kept).map((interrupt) => {
      const about = interrupted(interrupt, calls);
      return { ...(o.ask?.(about) ?? askOf(about)), id: interrupt.id };
    });
    if (asks.length === 0) throw new ToolError('INCOMPLETE', 'the Strands agent paused and asks nothing.');
    return { status: 'paused', state: kept, asks: asks as [Ask, ...Ask[]], ...used };
  } catch (error) {
    if (ctx.signal.aborted) throw ctx.signal.reason;
    throw failure(error, turned.began);
  } finally {
    rules?.stop();
  }
}

function resumed<O>(
  o: StrandsAgentOptions<O>,
  agent: StrandsAgent,
  { state, answers }: Turn<StrandsState> & { type: 'resume' },
): { args: InvokeArgs; rulings: Rulings } {
  load(agent, state);
  const calls = pendingCalls(state);
  const asked = new Map(openInterrupts(state).map((interrupt) => [interrupt.id, interrupted(interrupt, calls)]));
  const rulings: { [toolUseId: string]: Ruling } = { ...state.rulings };
  const args = answers.map(({ id, decision }) => {
    const about = asked.get(id);
    if (!about) throw new ToolError('STATE_UNREADABLE', `the paused Strands agent did not ask "${id}".`, { outcome: 'not-run' });
    const ruling = rulingOf(decision, about);
    // of several answers about one call, a rejection counts
    if (ruling && about.call && !('reject' in (rulings[about.call.id] ?? {}))) rulings[about.call.id] = ruling;
    return new InterruptResponseContent({ interruptId: id, response: o.answer?.(decision, about) ?? responseOf(decision, about) });
  });
  return { args, rulings };
}

async function drive(
  events: AsyncGenerator<AgentStreamEvent, AgentResult, undefined>,
  { emit }: TurnContext,
  turned: { began: boolean },
): Promise<AgentResult> {
  for (;;) {
    const next = await events.next();
    if (next.done) return next.value;
    const event = next.value;
    if (event.type === 'beforeToolCallEvent') turned.began = true;
    if (!emit || event.type !== 'modelStreamUpdateEvent' || event.event.type !== 'modelContentBlockDeltaEvent') continue;
    const { delta } = event.event;
    if (delta.type === 'textDelta') emit({ type: 'text', text: delta.text });
    else if (delta.type === 'reasoningContentDelta' && delta.text) emit({ type: 'reasoning', text: delta.text });
  }
}
