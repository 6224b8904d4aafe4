import { type AgentInputItem, Runner, type RunResult, type StreamedRunResult, Usage } from '@openai/agents-core';
import { ToolError } from '../../errors.ts';
import type { ForeignAgentOptions } from '../../foreign/foreign.ts';
import type { Ask, Turn, TurnContext, TurnResult } from '../../ports/foreign.ts';
import { inputOf, since, usedBy } from './convert.ts';
import { failure } from './failure.ts';
import { type AnyAgent, type AnyState, asksOf, decide, load, type OpenAiState, save } from './state.ts';

export interface OpenAiAgentOptions<O = string> extends Omit<ForeignAgentOptions<O, OpenAiState>, 'turn'> {
  /** The agent that a run starts with; its handoffs and tools reach others. Agents hold no state of a run. */
  agent: AnyAgent;
  /**
   * The runner whose settings the runs have. Default: a new one, with the SDK's tracing off, because tracing sends the conversation to
   * OpenAI.
   */
  runner?: Runner;
  /** The application's own context for a turn. It is not stored: a turn in another process creates it again. */
  context?(ctx: TurnContext): object;
  /** Default: the SDK's, 10. */
  maxTurns?: number;
  /** Makes the output. Default: the final output, which is text, or has the agent's `outputType`. */
  output?(result: OpenAiResult): O;
}

/** The fields of a result that are read. */
export type OpenAiResult = Pick<RunResult<unknown, AnyAgent>, 'finalOutput' | 'newItems' | 'lastAgent'>;
type AnyResult = RunResult<unknown, AnyAgent> | StreamedRunResult<unknown, AnyAgent>;

const NOTHING = usedBy(new Usage());

/** The turn of an agent of the OpenAI Agents SDK, for `foreignAgent()`. */
export function openaiTurn<O = string>(
  o: OpenAiAgentOptions<O>,
): (turn: Turn<OpenAiState>, ctx: TurnContext) => Promise<TurnResult<O, OpenAiState>> {
  return async (turn, ctx) => {
    const runner = o.runner ?? new Runner({ tracingDisabled: true });
    // a shared runner reports other runs too; at worst a turn then counts as started
    const turned = { began: false };
    const onAct = () => {
      turned.began = true;
    };
    runner.on('agent_tool_start', onAct);
    // tools that the provider runs itself ran before it
    runner.on('agent_handoff', onAct);
    try {
      ctx.signal.throwIfAborted();
      const context = o.context?.(ctx);
      let input: string | AgentInputItem[] | AnyState;
      let before = NOTHING;
      if (turn.type === 'start') input = inputOf(turn.input);
      else {
        input = await load(o.agent, turn.state, context);
        before = usedBy(input.usage);
        decide(input, turn.answers);
      }
      const result = await run(runner, o, input, context, ctx);
      const used = since(before, usedBy(result.state.usage));
      if (result.interruptions.length > 0)
        return { status: 'paused', state: save(result.state as AnyState), asks: asksOf(result.interruptions) as [Ask, ...Ask[]], ...used };
      const output = o.output ? o.output(result) : (result.finalOutput as O | undefined);
      if (output === undefined) throw new ToolError('INCOMPLETE', 'the agent ended without an answer.');
      return { status: 'completed', output, ...used };
    } catch (error) {
      if (ctx.signal.aborted) throw ctx.signal.reason;
      throw failure(error, turned.began);
    } finally {
      runner.off('agent_tool_start', onAct);
      runner.off('agent_handoff', onAct);
    }
  };
}

async function run<O>(
  runner: Runner,
  o: OpenAiAgentOptions<O>,
  input: string | AgentInputItem[] | AnyState,
  context: object | undefined,
  { signal, emit }: TurnContext,
): Promise<AnyResult> {
  const options = {
    signal,
    // a continued run already has its context
    ...(context && (typeof input === 'string' || Array.isArray(input)) && { context: context as unknown }),
    ...(o.maxTurns !== undefined && { maxTurns: o.maxTurns }),
  };
  if (!emit) return runner.run<AnyAgent, unknown>(o.agent, input, options);
  const result = await runner.run<AnyAgent, unknown>(o.agent, input, { ...options, stream: true });
  for await (const event of result)
    if (event.type === 'raw_model_stream_event' && event.data.type === 'output_text_delta') emit({ type: 'text', text: event.data.delta });
  await result.completed;
  // the stream of a stopped run ends without an error
  signal.throwIfAborted();
  return result;
}
