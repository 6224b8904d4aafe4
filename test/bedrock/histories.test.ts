import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bedrock } from '../../src/adapters/bedrock/index.ts';
import type { Json, JsonObject } from '../../src/json.ts';
import type { Message, Part, ToolSpec } from '../../src/ports/model.ts';
import { says } from '../wire/bedrock.ts';
import { ask, request, wire } from './setup.ts';

const w = wire();

const MODELS = [
  'us.anthropic.claude-sonnet-4-5-20250929-v1:0',
  'us.amazon.nova-pro-v1:0',
  'us.meta.llama4-maverick-17b-instruct-v1:0',
  'meta.llama3-1-70b-instruct-v1:0',
  'mistral.pixtral-large-2502-v1:0',
  'mistral.mixtral-8x7b-instruct-v0:1',
  'us.deepseek.r1-v1:0',
  'deepseek.v3-v1:0',
  'openai.gpt-oss-120b-1:0',
  'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123',
];

// ---------- texts: of any characters, halves of pairs among them

const char = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }) },
  fc.constantFrom('\ud83d', '\udc4d', ' ', '\n'),
);
const text = fc.array(char, { maxLength: 12 }).map((chars) => chars.join(''));
const vendor = fc.constantFrom<Json | undefined>(
  undefined,
  null,
  'x',
  { other: 1 },
  { bedrock: { cachePoint: true } },
  { bedrock: { cachePoint: { ttl: '1h' } } },
);
const json: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    text,
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(text, tie('value'), { maxKeys: 3 }),
  ),
})).value;

// ---------- parts, and messages of them in any order: calls without results, results without calls, ids twice

const withVendor = <P extends object>(part: fc.Arbitrary<P>) =>
  fc.tuple(part, vendor).map(([p, v]) => (v === undefined ? p : { ...p, vendor: v }) as Part);
const said = withVendor(fc.record({ type: fc.constant('text' as const), text }));
const media = withVendor(
  fc.oneof(
    fc.record({
      type: fc.constant('image' as const),
      mediaType: fc.constantFrom('image/png', 'image/svg+xml', 'image/tiff', 'IMAGE/JPEG', '\ud83d'),
      data: fc.oneof(fc.base64String({ maxLength: 20 }), fc.constant('not base64!')),
    }),
    fc.record({
      type: fc.constant('document' as const),
      mediaType: fc.constantFrom('application/pdf', 'text/plain', 'text/x-log', 'application/zip', ''),
      data: fc.base64String({ maxLength: 20 }),
      name: fc.oneof(text, fc.constantFrom('a.pdf', 'a  b.txt')),
    }),
  ),
);
const id = fc.oneof(fc.constantFrom('', 'call_0', 'call_1', 'tooluse_a', '1.0', 'x'.repeat(70)), text);
const toolName = fc.oneof(fc.constantFrom('search', 'orders.find', 'get-order', '', 'x'.repeat(70)), text);
const call = withVendor(fc.record({ type: fc.constant('toolCall' as const), id, name: toolName, input: json }));
const result = fc.record({
  type: fc.constant('toolResult' as const),
  id,
  output: fc.array(
    fc.oneof(
      said,
      media,
      json.map((v): Part => ({ type: 'text', text: JSON.stringify(v) })),
    ),
    { maxLength: 3 },
  ),
  isError: fc.boolean(),
}) as fc.Arbitrary<Part>;
const reasoning = (model: string) =>
  fc.record({
    type: fc.constant('reasoning' as const),
    text,
    vendor: fc.constantFrom<Json>(
      null,
      { bedrock: { model, signature: 's' } },
      { bedrock: { model } },
      { bedrock: { model, redacted: 'AQI=' } },
      { bedrock: { model, signature: '\ud83d' } },
      { bedrock: { cachePoint: true } },
    ),
  }) as fc.Arbitrary<Part>;
const message = (model: string): fc.Arbitrary<Message> =>
  fc.oneof(
    fc.record({ role: fc.constant('user' as const), content: fc.array(fc.oneof(said, media, result), { maxLength: 3 }) }),
    fc.record({
      role: fc.constant('assistant' as const),
      content: fc.array(fc.oneof(said, reasoning(model), media, call, call), { maxLength: 4 }),
    }),
    fc.record({ role: fc.constant('tool' as const), content: fc.array(result, { maxLength: 3 }) }),
    // one picture a turn, until they are too many
    fc.array(media, { minLength: 15, maxLength: 15 }).map((content): Message => ({ role: 'user', content })),
  );

// ---------- schemas: as servers of any age write them

const argument = fc.oneof(fc.constantFrom('a', '$top', 'filter[name]', 'a b', 'a.b', '__proto__x', 'é', 'x'.repeat(70)), text);
const leaf = fc.constantFrom<JsonObject>({}, { type: 'string' }, { type: 'number', minimum: 'one', exclusiveMinimum: true }, { enum: [] });
const schemaOf = (depth: number): fc.Arbitrary<JsonObject> => {
  if (depth === 0) return leaf;
  const node = schemaOf(depth - 1);
  return fc.record(
    {
      type: fc.constantFrom<Json>('object', 'object', 'string', 'array', 'any', ['string', 'null'], ['what'], 7),
      properties: fc.dictionary(argument, fc.oneof(node, fc.constantFrom<JsonObject | true>(true, {})), { maxKeys: 3 }),
      required: fc.oneof(fc.array(argument, { maxLength: 2 }), fc.constant(true)),
      items: fc.oneof(node, fc.array(node, { maxLength: 2 }), fc.constant(true)),
      additionalProperties: fc.oneof(fc.boolean(), node, fc.constant('string')),
      anyOf: fc.array(node, { maxLength: 2 }),
      oneOf: fc.array(node, { maxLength: 2 }),
      allOf: fc.array(node, { maxLength: 2 }),
      patternProperties: fc.dictionary(fc.constantFrom('^(.*)$', '^x-', '['), node, { maxKeys: 1 }),
      $ref: fc.constantFrom('#', '#/$defs/d', '#/definitions/none', '#/components/x', 'http://a/b'),
      $defs: fc.dictionary(fc.constantFrom('d', 'e'), node, { maxKeys: 2 }),
      exclusiveMinimum: fc.constantFrom<Json>(true, 3),
      minimum: fc.constantFrom<Json>(1, 'one'),
      enum: fc.constantFrom<Json>([], ['a', '\udc4d'], 'a'),
      description: fc.oneof(text, fc.constant(7)),
      $schema: fc.constant('http://json-schema.org/draft-07/schema#'),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<JsonObject>;
};
const schema = fc.oneof(schemaOf(1), schemaOf(2));

/** An input that holds each argument a schema names at its top, and one level below. */
const filled = ({ properties }: JsonObject, depth = 1): JsonObject =>
  Object.fromEntries(
    Object.entries((properties ?? {}) as JsonObject).map(([name, inner]) => [
      name,
      depth > 0 && typeof inner === 'object' ? filled(inner as JsonObject, depth - 1) : 1,
    ]),
  );

const options = fc.record(
  {
    cache: fc.constantFrom(true, { ttl: '1h' as const }, { tools: false, ttl: '5m' as const }),
    reasoning: fc.constantFrom({ budgetTokens: 1024 }, { effort: 'low' as const }),
  },
  { requiredKeys: [] },
);

test.each(MODELS)('whatever the journal holds, one request is enough: %s', async (model) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(message(model), { maxLength: 7 }),
      fc.uniqueArray(fc.record({ name: toolName, description: text, input: schema }), { selector: (t) => t.name, maxLength: 3 }),
      text,
      options,
      fc.constantFrom('one-shot', 'stream'),
      async (history, offered, instructions, o, mode) => {
        // tools on offer to a model that takes none are an error of the developer's
        const tools: ToolSpec[] = /mixtral|r1/.test(model) ? [] : offered;
        const messages: Message[] = [...history, { role: 'user', content: [{ type: 'text', text: 'go on' }] }];
        let told: Json[] = [];
        w.server.next((c) => {
          const specs: { toolSpec?: { name: string; inputSchema: { json: JsonObject } } }[] = c.input.toolConfig?.tools ?? [];
          const calls = tools.length > 0 ? specs.flatMap(({ toolSpec }) => toolSpec ?? []) : [];
          told = calls.map((spec) => filled(spec.inputSchema.json));
          return says({ content: calls.map((spec, i) => ({ toolUse: { toolUseId: 'x', name: spec.name, input: told[i] as never } })) })(c);
        });
        const { content } = await ask(bedrock(model, { endpoint: w.server.url, ...o }), request({ messages, tools, instructions }), mode);
        expect(w.server.calls.splice(0)).toHaveLength(1);
        const called = content.flatMap((part) => (part.type === 'toolCall' ? [part] : []));
        expect(called.map((part) => part.name)).toEqual(tools.map((t) => t.name));
        expect(new Set(called.map((part) => part.id)).size).toBe(called.length);
        // arguments come back under the names that the tool gave them
        for (const [i, { input }] of called.entries()) {
          const declared = JSON.stringify(tools[i]?.input);
          for (const name of Object.keys(input as JsonObject)) expect(declared).toContain(JSON.stringify(name).slice(1, -1));
        }
      },
    ),
    { numRuns: 120 },
  );
});
