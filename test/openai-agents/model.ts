import { type Model, type ModelRequest, type ModelResponse, Usage } from '@openai/agents-core';

export type Said = string | Error | readonly { id: string; name: string; input: unknown }[];

/** A model that says what it is told to, and keeps what it was shown. */
export class FakeModel implements Model {
  readonly seen: ModelRequest[] = [];
  readonly said: Said[];
  onCall: ((signal: AbortSignal | undefined) => void) | undefined;

  constructor(said: readonly Said[]) {
    this.said = [...said];
  }

  async getResponse(request: ModelRequest): Promise<ModelResponse> {
    this.seen.push(structuredClone({ ...request, signal: undefined }) as unknown as ModelRequest);
    this.onCall?.(request.signal);
    const said = this.said.shift() ?? 'The script has ended.';
    if (said instanceof Error) throw said;
    return {
      usage: new Usage({
        requests: 1,
        inputTokens: 10,
        outputTokens: 5,
        totalTokens: 15,
        inputTokensDetails: { cached_tokens: 4 },
        outputTokensDetails: { reasoning_tokens: 1 },
      }),
      output:
        typeof said === 'string'
          ? [{ type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: said }] }]
          : said.map(({ id, name, input }) => ({
              type: 'function_call',
              callId: id,
              name,
              arguments: JSON.stringify(input),
              status: 'completed',
            })),
    };
  }

  async *getStreamedResponse(request: ModelRequest): ReturnType<Model['getStreamedResponse']> {
    const { usage, output } = await this.getResponse(request);
    yield { type: 'response_started' };
    for (const item of output)
      if (item.type === 'message')
        for (const part of item.content as { text: string }[])
          for (const delta of part.text.split(/(?<= )/)) yield { type: 'output_text_delta', delta };
    const { inputTokens, outputTokens, totalTokens, inputTokensDetails, outputTokensDetails } = usage;
    yield {
      type: 'response_done',
      response: {
        id: 'r',
        output: output as never,
        usage: {
          inputTokens,
          outputTokens,
          totalTokens,
          inputTokensDetails: inputTokensDetails[0],
          outputTokensDetails: outputTokensDetails[0],
        },
      },
    };
  }
}

/** What the model was told of tools: `[id, text]`. */
export const results = (request: ModelRequest | undefined) =>
  (Array.isArray(request?.input) ? request.input : []).flatMap((item) => {
    if (item.type !== 'function_call_result') return [];
    const { output } = item;
    return [[item.callId, typeof output === 'string' ? output : 'text' in output ? output.text : JSON.stringify(output)] as const];
  });

/** What one call of it uses. */
export const USED = { input: 6, output: 5, cacheRead: 4, reasoning: 1 };
