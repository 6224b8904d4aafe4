import { simulateReadableStream } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';

export type Said =
  | string
  | Error
  | readonly { id: string; name: string; input: unknown /** Instead: the arguments as the model wrote them. */; text?: string }[];
type Result = Extract<ConstructorParameters<typeof MockLanguageModelV4>[0], object>['doGenerate'];
type Generated = Exclude<Result, undefined | readonly unknown[] | ((...a: never[]) => unknown)>;

const usage: Generated['usage'] = {
  inputTokens: { total: 10, noCache: 6, cacheRead: 4, cacheWrite: undefined },
  outputTokens: { total: 5, text: 4, reasoning: 1 },
};

/** A model that says what it is told to, in one piece or streamed, in one order over both. */
export function fakeModel(script: readonly Said[], onCall?: (signal: AbortSignal | undefined) => Promise<void>) {
  const said = [...script];
  const next = async (signal: AbortSignal | undefined) => {
    await onCall?.(signal);
    const now = said.shift() ?? 'The script has ended.';
    if (now instanceof Error) throw now;
    return now;
  };
  const finish = (now: string | readonly unknown[]) =>
    ({ unified: typeof now === 'string' ? 'stop' : 'tool-calls', raw: undefined }) as const;
  const calls = (now: Exclude<Said, string | Error>) =>
    now.map(({ id, name, input, text }) => ({
      type: 'tool-call' as const,
      toolCallId: id,
      toolName: name,
      input: text ?? JSON.stringify(input),
    }));
  return new MockLanguageModelV4({
    provider: 'fake.chat',
    modelId: 'm1',
    doGenerate: async ({ abortSignal }) => {
      const now = await next(abortSignal);
      const content = typeof now === 'string' ? [{ type: 'text' as const, text: now }] : calls(now);
      return { content, finishReason: finish(now), usage, warnings: [] };
    },
    doStream: async ({ abortSignal }) => {
      const now = await next(abortSignal);
      const parts =
        typeof now === 'string'
          ? [
              { type: 'text-start' as const, id: 't' },
              ...now.split(/(?<= )/).map((delta) => ({ type: 'text-delta' as const, id: 't', delta })),
              { type: 'text-end' as const, id: 't' },
            ]
          : calls(now).flatMap((call) => [
              { type: 'tool-input-start' as const, id: call.toolCallId, toolName: call.toolName },
              { type: 'tool-input-delta' as const, id: call.toolCallId, delta: call.input.slice(0, 4) },
              { type: 'tool-input-delta' as const, id: call.toolCallId, delta: call.input.slice(4) },
              { type: 'tool-input-end' as const, id: call.toolCallId },
              call,
            ]);
      const chunks = [
        { type: 'stream-start' as const, warnings: [] },
        ...parts,
        { type: 'finish' as const, finishReason: finish(now), usage },
      ];
      return { stream: simulateReadableStream({ chunks, initialDelayInMs: null, chunkDelayInMs: null }) };
    },
  });
}

export type Prompted = MockLanguageModelV4['doGenerateCalls'][number]['prompt'];

/** What the model was told of tools: `[id, output]`. */
export const results = (prompt: Prompted | undefined) =>
  (prompt ?? []).flatMap((m) =>
    m.role === 'tool' ? m.content.flatMap((p) => (p.type === 'tool-result' ? [[p.toolCallId, p.output] as const] : [])) : [],
  );

/** What one call of it uses. */
export const USED = { input: 6, output: 5, cacheRead: 4, reasoning: 1 };
