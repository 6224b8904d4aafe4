import { type Agent, type GenerateTextResult, type ModelMessage, type StreamTextResult, ToolLoopAgent } from 'ai';
import type { ForeignAgentOptions } from '../../foreign/foreign.ts';
import type { Json } from '../../json.ts';
import type { Ask, Turn, TurnContext, TurnResult } from '../../ports/foreign.ts';
import { isMetered, usageOf, userMessage } from './convert.ts';
import { failure, unanswered } from './failure.ts';
import { type AiSdkState, askOf, decided, save, type Waiting } from './state.ts';

// biome-ignore lint/suspicious/noExplicitAny: agents of every type are taken
type AnyAgent = Agent<any, any, any, any>;
// biome-ignore lint/suspicious/noExplicitAny: and their results
type AnyResult = GenerateTextResult<any, any, any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
type AnyStream = StreamTextResult<any, any, any>;

/** The fields of a result that this adapter reads. */
export type AiSdkResult = Pick<AnyResult, 'responseMessages' | 'steps' | 'finishReason' | 'text'>;

/** The options of a turn; pass them on to `generateText`. */
export interface AiSdkCall {
  readonly messages: ModelMessage[];
  readonly abortSignal: AbortSignal;
}

export type AiSdkAgentOptions<O = string> = Omit<ForeignAgentOptions<O, AiSdkState>, 'turn'> & {
  /** Makes the output. Default: the agent's `output` setting, else the text of the last step. */
  output?(result: AiSdkResult): O;
} & (
    | {
        /** A `ToolLoopAgent`, or another `Agent` of the SDK. */
        agent: AnyAgent;
        /** More options for each call, for instance the `options` of an agent with call options. */
        call?(ctx: TurnContext): object;
        generate?: undefined;
      }
    | {
        /** For a plain `generateText({ model, tools, ...call })`. It does not stream. */
        generate(call: AiSdkCall, ctx: TurnContext): PromiseLike<AnyResult>;
        agent?: undefined;
      }
  );

/** The turn of an AI SDK agent, for `foreignAgent()`. */
export function aiSdkTurn<O = string>(
  o: AiSdkAgentOptions<O>,
): (turn: Turn<AiSdkState>, ctx: TurnContext) => Promise<TurnResult<O, AiSdkState>> {
  return async (turn, ctx) => {
    // only the SDK's own loop reports what it did before its model failed
    const turned = { began: !(o.agent instanceof ToolLoopAgent) };
    try {
      ctx.signal.throwIfAborted();
      const messages = turn.type === 'start' ? [userMessage(turn.input)] : decided(turn.state, turn.answers);
      const { result, output } = await answerOf(o, { messages, abortSignal: ctx.signal }, ctx, turned);
      const used = { usage: usageOf(result.steps), ...(!isMetered(result.steps) && { unmetered: true as const }) };
      const waiting = waitingIn(result);
      if (waiting.length > 0) {
        const state = save([...messages, ...result.responseMessages], waiting);
        return { status: 'paused', state, asks: waiting.map(askOf) as [Ask, ...Ask[]], ...used };
      }
      if (o.output) return { status: 'completed', output: o.output(result), ...used };
      const without = unanswered(result.finishReason);
      if (without) throw without;
      return { status: 'completed', output: (await output()) as O, ...used };
    } catch (error) {
      if (ctx.signal.aborted) throw ctx.signal.reason;
      throw failure(error, turned.began);
    }
  };
}

type Callbacks = {
  readonly [name in 'onToolExecutionStart' | 'onStepEnd' | 'onStepFinish']?: (event: unknown) => void | PromiseLike<void>;
};

type Answer = { result: AiSdkResult; output(): unknown };

async function answerOf<O>(o: AiSdkAgentOptions<O>, call: AiSdkCall, ctx: TurnContext, turned: { began: boolean }): Promise<Answer> {
  if (o.generate) {
    const result = await o.generate(call, ctx);
    return { result, output: () => result.output };
  }
  const own: Callbacks = o.call?.(ctx) ?? {};
  const parameters = {
    options: undefined,
    ...own,
    ...call,
    onToolExecutionStart(event: unknown) {
      turned.began = true;
      return own.onToolExecutionStart?.(event);
    },
    // tools that the provider runs itself ran in their own step
    onStepEnd(event: unknown) {
      turned.began = true;
      return (own.onStepEnd ?? own.onStepFinish)?.(event);
    },
  };
  if (ctx.emit) return streamed(await o.agent.stream(parameters), ctx.emit);
  const result: AnyResult = await o.agent.generate(parameters);
  return { result, output: () => result.output };
}

async function streamed(stream: AnyStream, emit: NonNullable<TurnContext['emit']>): Promise<Answer> {
  for await (const part of stream.stream) {
    if (part.type === 'text-delta') emit({ type: 'text', text: part.text });
    else if (part.type === 'reasoning-delta') emit({ type: 'reasoning', text: part.text });
    else if (part.type === 'error') throw part.error;
    else if (part.type === 'abort') throw new Error('the stream was aborted');
  }
  const [responseMessages, steps, finishReason, text] = await Promise.all([
    stream.responseMessages,
    stream.steps,
    stream.finishReason,
    stream.text,
  ]);
  return { result: { responseMessages, steps, finishReason, text }, output: () => stream.output };
}

/** The calls that the last step waits for: the loop ends at a call without a result and without a denial. */
function waitingIn({ steps }: AiSdkResult): Waiting[] {
  const content = steps.at(-1)?.content ?? [];
  const settled = new Set<string>();
  const answered = new Set<string>();
  const requests = new Map<string, { approvalId: string; reason?: string | undefined }>();
  for (const part of content) {
    if (part.type === 'tool-result' || part.type === 'tool-error') settled.add(part.toolCallId);
    else if (part.type === 'tool-approval-response') answered.add(part.approvalId);
    else if (part.type === 'tool-approval-request') requests.set(part.toolCall.toolCallId, part);
  }
  return content.flatMap((part): Waiting[] => {
    if (part.type !== 'tool-call' || settled.has(part.toolCallId)) return [];
    const call = { call: part.toolCallId as string, tool: part.toolName as string, input: (part.input ?? null) as Json };
    const request = requests.get(part.toolCallId);
    if (!request) return part.providerExecuted ? [] : [{ kind: 'output', id: part.toolCallId, ...call }];
    if (answered.has(request.approvalId)) return [];
    return [{ kind: 'approval', id: request.approvalId, ...call, ...(request.reason !== undefined && { reason: request.reason }) }];
  });
}
