/** A model in the AI SDK's interface that answers at once: `script` gets the number of tool results so far. */
const usage = {
  inputTokens: { total: 1_200, noCache: 1_200, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 60, text: 60, reasoning: undefined },
};

export function scriptedModel(script, version = 'v4') {
  const next = async ({ prompt }) => {
    const done = prompt.reduce((n, m) => n + (m.role === 'tool' ? m.content.filter(({ type }) => type === 'tool-result').length : 0), 0);
    const said = await script(done);
    const text = typeof said === 'string';
    const content = text
      ? [{ type: 'text', text: said }]
      : [{ type: 'tool-call', toolCallId: `call-${done}`, toolName: said.name, input: JSON.stringify(said.input) }];
    return { content, finishReason: { unified: text ? 'stop' : 'tool-calls', raw: undefined }, usage, warnings: [] };
  };
  return {
    specificationVersion: version,
    provider: 'bench',
    modelId: 'instant',
    supportedUrls: {},
    doGenerate: next,
    async doStream(options) {
      const { content, finishReason } = await next(options);
      const [part] = content;
      const parts =
        part.type === 'text'
          ? [
              { type: 'text-start', id: 't' },
              { type: 'text-delta', id: 't', delta: part.text },
              { type: 'text-end', id: 't' },
            ]
          : [part];
      return {
        stream: new ReadableStream({
          start(controller) {
            for (const chunk of [{ type: 'stream-start', warnings: [] }, ...parts, { type: 'finish', finishReason, usage }])
              controller.enqueue(chunk);
            controller.close();
          },
        }),
      };
    },
  };
}
