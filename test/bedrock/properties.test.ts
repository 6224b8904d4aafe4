import type { ContentBlock } from '@aws-sdk/client-bedrock-runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bedrock } from '../../src/adapters/bedrock/index.ts';
import type { Json } from '../../src/json.ts';
import type { Message, Part, ToolSpec } from '../../src/ports/model.ts';
import { says } from '../wire/bedrock.ts';
import { ask, ID, request, wire } from './setup.ts';

const w = wire();
const model = () => bedrock(ID, { endpoint: w.server.url });
const anyText = fc.string({ unit: 'grapheme', maxLength: 40 });
const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
const object = fc.dictionary(fc.string({ maxLength: 6 }), json, { maxKeys: 4 });

const block: fc.Arbitrary<ContentBlock> = fc.oneof(
  fc.record({ text: anyText }),
  fc.record({
    toolUse: fc.record({
      toolUseId: fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/),
      name: fc.stringMatching(/^[a-zA-Z0-9_-]{1,64}$/),
      input: object,
    }),
  }),
  fc.record({
    reasoningContent: fc.record({ reasoningText: fc.record({ text: anyText, signature: fc.base64String({ maxLength: 40 }) }) }),
  }),
  fc.record({ reasoningContent: fc.record({ redactedContent: fc.uint8Array({ minLength: 1, maxLength: 20 }) }) }),
) as fc.Arbitrary<ContentBlock>;

/** Cuts at random places; the seeds are spent in turn, so that a shrunk case cuts the same way again. */
function cutter(cuts: readonly number[]): <T extends { length: number; slice(a: number, b?: number): T }>(whole: T) => T[] {
  let i = 0;
  return (whole) => {
    const pieces = [];
    let at = 0;
    while (at < whole.length) {
      const size = 1 + ((cuts[i++ % cuts.length] ?? 0) % 9);
      pieces.push(whole.slice(at, at + size));
      at += size;
    }
    return pieces;
  };
}

test('an answer that is streamed, however it is cut, is the answer of the one-shot call', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(block, { maxLength: 5 }),
      fc.array(fc.nat(8), { minLength: 1, maxLength: 12 }),
      fc.array(fc.nat(200), { minLength: 1, maxLength: 12 }),
      fc.constantFrom('end_turn', 'tool_use', 'max_tokens', 'guardrail_intervened'),
      async (content, cuts, slices, stopReason) => {
        const slice = cutter(slices);
        w.server.next(
          says({ content, stopReason }),
          says({ content, stopReason, deltas: cutter(cuts) as (t: string) => string[], writes: (b) => slice(b) }),
        );
        const { deltas: none, ...whole } = await ask(model(), request(), 'one-shot');
        const { deltas, ...streamed } = await ask(model(), request(), 'stream');
        expect(streamed).toEqual(whole);
        expect(none).toEqual([]);
        // what was heard on the way is what the answer says
        for (const type of ['text', 'reasoning'] as const) {
          const heard = deltas.filter((d) => d.type === type).map((d) => d.text);
          const said = whole.content.flatMap((p) => (p.type === type ? [p.text] : []));
          expect(heard.join('')).toBe(said.join(''));
        }
      },
    ),
    { numRuns: 120 },
  );
});

// ---------- conversations of any kind

const name = fc.oneof(fc.constantFrom('search', 'orders.find', 'a b', 'a_b'), fc.string({ maxLength: 80 }));
const text = fc.record({ type: fc.constant('text'), text: fc.oneof(anyText, fc.constantFrom('', ' ', '\n\t')) }) as fc.Arbitrary<Part>;
const media = fc.oneof(
  fc.record({ type: fc.constant('image'), mediaType: fc.constantFrom('image/png', 'image/webp'), data: fc.base64String({ minLength: 4 }) }),
  fc.record({
    type: fc.constant('document'),
    mediaType: fc.constantFrom('application/pdf', 'text/plain'),
    data: fc.base64String({ minLength: 4 }),
    name: fc.string(),
  }),
) as fc.Arbitrary<Part>;
const reasoning = fc.record({
  type: fc.constant('reasoning'),
  text: anyText,
  vendor: fc.constantFrom<Json>(
    null,
    { bedrock: { model: ID, signature: 's' } },
    { bedrock: { model: ID } },
    { bedrock: { model: ID, redacted: 'AQI=' } },
    { other: 1 },
  ),
}) as fc.Arbitrary<Part>;
const outputs = fc.array(
  fc.oneof(
    text,
    media,
    json.map((v): Part => ({ type: 'text', text: JSON.stringify(v) })),
  ),
  { maxLength: 3 },
);

interface Turn {
  user: Part[];
  assistant: Part[];
  calls: { name: string; input: Json; output: Part[]; isError: boolean }[];
}
const turn: fc.Arbitrary<Turn> = fc.record({
  user: fc.array(fc.oneof(text, media), { maxLength: 3 }),
  assistant: fc.array(fc.oneof(text, reasoning, media), { maxLength: 3 }),
  calls: fc.array(fc.record({ name, input: json, output: outputs, isError: fc.boolean() }), { maxLength: 3 }),
});

function conversationOf(turns: readonly Turn[], ids: (n: number) => string): Message[] {
  let n = 0;
  return turns.flatMap(({ user, assistant, calls }): Message[] => {
    const told = calls.map((c) => ({ ...c, id: ids(n++) }));
    const said: Message[] = [
      { role: 'user', content: user },
      {
        role: 'assistant',
        content: [...assistant, ...told.map((c): Part => ({ type: 'toolCall', id: c.id, name: c.name, input: c.input }))],
      },
    ];
    if (told.length)
      said.push({ role: 'tool', content: told.map((c): Part => ({ type: 'toolResult', id: c.id, output: c.output, isError: c.isError })) });
    return said;
  });
}

test('whatever a conversation holds, Bedrock takes it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(turn, { maxLength: 4 }),
      fc.uniqueArray(name, { maxLength: 4 }),
      fc.boolean(),
      fc.constantFrom<(n: number) => string>(
        (n) => `${n}.0`,
        (n) => `tooluse_${n}`,
        (n) => `${'x'.repeat(70)}${n}`,
      ),
      async (turns, tools, cache, ids) => {
        const specs = tools.map((t): ToolSpec => ({ name: t, description: t, input: { type: 'object', properties: {} } }));
        const messages: Message[] = [...conversationOf(turns, ids), { role: 'user', content: [{ type: 'text', text: 'go on' }] }];
        // the model calls every tool it was told of
        w.server.next((call) => {
          const told: { toolSpec?: { name: string } }[] = call.input.toolConfig?.tools ?? [];
          return says({
            content: told.flatMap((t, i) => (t.toolSpec ? [{ toolUse: { toolUseId: `t${i}`, name: t.toolSpec.name, input: {} } }] : [])),
          })(call);
        });
        const { content } = await ask(bedrock(ID, { endpoint: w.server.url, cache }), request({ messages, tools: specs }), 'one-shot');
        const called = content.map((p) => p.type === 'toolCall' && p.name);
        const used = [...new Set(turns.flatMap((t) => t.calls.map((c) => c.name)))];
        expect(called).toEqual(tools.length ? tools : used);
      },
    ),
    { numRuns: 150 },
  );
});
