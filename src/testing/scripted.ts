import { invalid, ToolError } from '../errors.ts';
import type { Json } from '../json.ts';
import { checkOptions } from '../options.ts';
import type { Message, Model, ModelRequest, ModelResponse, Part, Usage } from '../ports/model.ts';
import { pause } from '../reliability/timer.ts';
import { emitAnswer } from './deltas.ts';

/** One answer of a scripted model: a text, a text with tool calls, or an error by its code (such as `THROTTLING`). */
export type Scripted =
  | string
  | {
      text?: string;
      reasoning?: string;
      toolCalls?: readonly { name: string; input: Json; id?: string }[];
      stop?: ModelResponse['stop'];
      usage?: Usage;
      /** Throws a ToolError of this code instead. THROTTLING, SERVICE_UNAVAILABLE, TIMEOUT, NETWORK and STREAM_BROKEN are retryable. */
      error?: string;
      /** Milliseconds before the answer. An abort ends the wait. */
      delay?: number;
    };

const OPTIONS = {
  provider: "provider: 'openai'",
  id: "id: 'gpt-x'",
  maxOutput: 'maxOutput: 4_096',
  contextWindow: 'contextWindow: 100_000',
};
const STEP = {
  text: "text: 'Done.'",
  reasoning: "reasoning: 'It was paid twice.'",
  toolCalls: "toolCalls: [{ name: 'refund', input: { orderId: '7' } }]",
  stop: "stop: 'length'",
  usage: 'usage: { input: 10, output: 5 }',
  error: "error: 'THROTTLING'",
  delay: 'delay: 100',
} satisfies Record<keyof Exclude<Scripted, string>, string>;
const CALL = { name: "name: 'refund'", input: "input: { orderId: '7' }", id: "id: 'call_1'" };

/** A misspelt field would be an empty answer. @throws RondoError `CONFIG_INVALID`. */
function checkStep(step: unknown): void {
  if (typeof step === 'string' || step === undefined) return;
  checkOptions(step, STEP, 'an answer of scripted()', { toolCalls: 'list' });
  for (const call of (step as Exclude<Scripted, string>).toolCalls ?? []) checkOptions(call, CALL, 'a call of scripted()');
}

/** A rough number of tokens: bytes / 4. */
const estimate = (bytes: number) => Math.max(1, Math.ceil(bytes / 4));
const RETRYABLE = new Set(['THROTTLING', 'SERVICE_UNAVAILABLE', 'TIMEOUT', 'NETWORK', 'STREAM_BROKEN']);
const NOT_RUN = new Set(['THROTTLING']);

/**
 * A model that answers from a script: a list, used in order over all calls, or a pure function of the request and the index of the call
 * (from 0). For tests, benchmarks and offline demos. Its price is 0, and traces mark it as a stand-in.
 * @throws (from generate) ToolError `SCRIPT_ENDED` after the last step of a list.
 */
export function scripted(
  steps: readonly Scripted[] | ((request: ModelRequest, n: number) => Scripted | Promise<Scripted>),
  o: { provider?: string; id?: string; maxOutput?: number; contextWindow?: number } = {},
): Model & { readonly requests: readonly ModelRequest[] } {
  checkOptions(o, OPTIONS, 'scripted()', { provider: 'text', id: 'text' });
  if (typeof steps !== 'function' && !Array.isArray(steps))
    throw invalid("scripted() takes a list of answers, or a function: scripted(['Hello']).");
  if (typeof steps !== 'function') for (const step of steps) checkStep(step);
  const requests: ModelRequest[] = [];
  const measure = measuring();
  let ids = 0;
  return {
    provider: o.provider ?? 'scripted',
    id: o.id ?? 'script',
    maxOutput: o.maxOutput,
    contextWindow: o.contextWindow,
    requests,
    async generate(request, { signal, emit }) {
      const n = requests.length;
      requests.push(asAsked(request));
      const step = typeof steps === 'function' ? await steps(request, n) : steps[n];
      if (step === undefined)
        throw new ToolError('SCRIPT_ENDED', `the script has ${n} steps, and the model was asked once more.`, { outcome: 'not-run' });
      if (typeof steps === 'function') checkStep(step);
      const s = typeof step === 'string' ? { text: step } : step;
      if (s.delay) await pause(s.delay, signal);
      if (s.error)
        throw new ToolError(s.error, `scripted ${s.error}`, {
          retryable: RETRYABLE.has(s.error),
          outcome: NOT_RUN.has(s.error) ? 'not-run' : 'failed',
        });
      const content: Part[] = [];
      if (s.reasoning) content.push({ type: 'reasoning', text: s.reasoning });
      if (s.text) content.push({ type: 'text', text: s.text });
      for (const { id = `s${ids++}`, name, input } of s.toolCalls ?? []) content.push({ type: 'toolCall', id, name, input });
      if (emit) emitAnswer(content, emit);
      const usage = s.usage ?? {
        input: estimate(measure(request.messages)),
        output: estimate(JSON.stringify(content).length),
      };
      return { content, stop: s.stop ?? (s.toolCalls?.length ? 'tools' : 'end'), usage };
    },
  };
}

/** A snapshot of a request. The caller's list of messages grows later, so the snapshot copies only the current ones, when it is read. */
function asAsked(request: ModelRequest): ModelRequest {
  const { messages: growing } = request;
  const { length } = growing;
  let messages: readonly Message[] | undefined;
  return {
    ...request,
    get messages() {
      messages ??= growing.slice(0, length);
      return messages;
    },
  };
}

/**
 * Counts the characters of messages as JSON. Each message of a growing list is counted once; otherwise a long run would take quadratic
 * time.
 */
function measuring(): (messages: readonly Message[]) => number {
  const known = new WeakMap<readonly Message[], { count: number; last: Message | undefined; size: number }>();
  return (messages) => {
    let { count, last, size } = known.get(messages) ?? { count: 0, last: undefined, size: 2 };
    // the list was replaced, not extended: count again from the start
    if (count > messages.length || (count > 0 && messages[count - 1] !== last)) [count, size] = [0, 2];
    for (; count < messages.length; count++) size += JSON.stringify(messages[count]).length + (count > 0 ? 1 : 0);
    last = messages[count - 1];
    known.set(messages, { count, last, size });
    return size;
  };
}
