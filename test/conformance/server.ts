/** The server that the conformance suites test: the tools, resources and prompts that they ask for, served by `gatewayHandler()`. */
import { setTimeout as delay } from 'node:timers/promises';
import { gatewayHandler, type McpPrompt, type McpResource } from '../../src/adapters/mcp/index.ts';
import { Engine, type JsonSchema, NeedsPerson, type Part, type Tool, ToolError, tool } from '../../src/index.ts';
import { questionTool } from '../../src/loop/tools/tool.ts';
import { listen } from '../../src/server/index.ts';

const NONE = { type: 'object', properties: {} } as const;
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=';

const IMAGE: Part = { type: 'image', mediaType: 'image/png', data: PNG };
const AUDIO: Part = { type: 'document', mediaType: 'audio/wav', data: WAV };
const RESOURCE = {
  type: 'document' as const,
  mediaType: 'text/plain',
  data: Buffer.from('This is an embedded resource content.').toString('base64'),
  name: 'test://embedded-resource',
};

const showing = (name: string, parts: readonly Part[]): Tool =>
  tool({ name, description: `Shows ${parts.length} parts`, input: NONE, effect: 'read', execute: () => 'shown', toModel: () => parts });

/** A tool that a person answers: with a form of these fields. */
const asking = (name: string, question: string | undefined, fields: object, input: JsonSchema = NONE): Tool =>
  questionTool({ name, description: 'Asks a person', input, approval: {} } as never, (given) => ({
    question: question ?? (given as { message: string }).message,
    answer: { type: 'object', properties: fields, required: Object.keys(fields) } as JsonSchema,
  }));

async function* counting() {
  for (const progress of [0, 50, 100]) {
    yield { progress, total: 100 };
    await delay(10);
  }
  return 'done';
}

async function* logging() {
  for (const message of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
    yield { level: 'info', message };
    await delay(10);
  }
  return 'done';
}

const resources: readonly McpResource[] = [
  { uri: 'test://static-text', name: 'Text', mimeType: 'text/plain', read: () => 'This is the content of the static text resource.' },
  { uri: 'test://static-binary', name: 'Image', mimeType: 'image/png', read: () => Buffer.from(PNG, 'base64') },
  { uri: 'test://watched-resource', name: 'Watched', read: () => 'as it is now' },
  {
    uri: 'test://template/{id}/data',
    name: 'Template',
    mimeType: 'application/json',
    read: ({ id }) => JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }),
  },
];

const prompts: readonly McpPrompt[] = [
  { name: 'test_simple_prompt', description: 'For a test', get: () => 'This is a simple prompt for testing.' },
  {
    name: 'test_prompt_with_arguments',
    description: 'For a test',
    arguments: { arg1: { required: true, complete: () => ['paris', 'park'] }, arg2: { required: true } },
    get: ({ arg1, arg2 }) => `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`,
  },
  {
    name: 'test_prompt_with_embedded_resource',
    description: 'For a test',
    arguments: { resourceUri: { required: true } },
    get: ({ resourceUri = '' }) => [
      { role: 'user', content: { ...RESOURCE, name: resourceUri } },
      { role: 'user', content: 'Please process the embedded resource above.' },
    ],
  },
  {
    name: 'test_prompt_with_image',
    description: 'For a test',
    get: () => [
      { role: 'user', content: IMAGE },
      { role: 'user', content: 'Please analyze the image above.' },
    ],
  },
  {
    name: 'test_input_required_result_prompt',
    description: 'For a test',
    get(_, { asked }) {
      if (asked) return JSON.stringify(asked.answer);
      const answer = { type: 'object', properties: { context: TEXT }, required: ['context'] };
      throw new NeedsPerson({ question: 'What context should the prompt use?', answer });
    },
  },
];

const TEXT = { type: 'string' };
const ADDRESS = { $anchor: 'addressDef', type: 'object', properties: { street: TEXT, city: TEXT } };
const contact = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: { address: ADDRESS },
  properties: {
    name: TEXT,
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: TEXT,
    email: TEXT,
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  ...{ if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] }, then: { required: ['phone'] } },
  else: { required: ['email'] },
  additionalProperties: false,
} as JsonSchema;

const tools: readonly Tool[] = [
  showing('test_simple_text', [{ type: 'text', text: 'This is a simple text response for testing.' }]),
  showing('test_image_content', [IMAGE]),
  showing('test_audio_content', [AUDIO]),
  showing('test_embedded_resource', [RESOURCE]),
  showing('test_multiple_content_types', [{ type: 'text', text: 'Multiple content types test:' }, IMAGE, RESOURCE]),
  tool({ name: 'test_tool_with_progress', description: 'Counts', input: NONE, effect: 'read', execute: () => counting() }),
  ...['test_tool_with_logging', 'test_logging_tool'].map((name) =>
    tool({ name, description: 'Logs', input: NONE, effect: 'read', execute: () => logging() }),
  ),
  tool({
    name: 'test_error_handling',
    description: 'Fails',
    input: NONE,
    execute() {
      throw new ToolError('FAILED', 'This tool intentionally returns an error for testing');
    },
  }),
  tool({ name: 'json_schema_2020_12_tool', description: 'Takes a contact', input: contact, execute: () => 'ok' }),
  asking('test_elicitation', undefined, { username: { ...TEXT, description: "User's response" }, email: TEXT }, {
    type: 'object',
    properties: { message: TEXT },
    required: ['message'],
  } as JsonSchema),
  asking('test_elicitation_sep1034_defaults', 'Who is it?', {
    name: { ...TEXT, default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { ...TEXT, enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  }),
  asking('test_elicitation_sep1330_enums', 'Which?', {
    untitledSingle: { ...TEXT, enum: ['option1', 'option2', 'option3'] },
    titledSingle: {
      ...TEXT,
      oneOf: [
        { const: 'value1', title: 'First Option' },
        { const: 'value2', title: 'Second Option' },
        { const: 'value3', title: 'Third Option' },
      ],
    },
    legacyEnum: {
      ...TEXT,
      enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three'],
    },
    untitledMulti: { type: 'array', items: { ...TEXT, enum: ['option1', 'option2', 'option3'] } },
    titledMulti: {
      type: 'array',
      items: {
        anyOf: [
          { const: 'value1', title: 'First Choice' },
          { const: 'value2', title: 'Second Choice' },
          { const: 'value3', title: 'Third Choice' },
        ],
      },
    },
  }),
  asking('test_streaming_elicitation', 'Is it right?', { ok: { type: 'boolean' } }),
  ...['request_state', 'tampered_state', 'elicitation'].map((name) =>
    asking(`test_input_required_result_${name}`, 'Is it right?', { ok: { type: 'boolean' } }),
  ),
];

export async function conformingServer(sessions: boolean): Promise<{ url: string; close(): Promise<void> }> {
  const engine = new Engine();
  let tellTools = () => {};
  const changing = (list: string, tell: () => void): Tool =>
    tool({
      name: `test_trigger_${list}_change`,
      description: `Tells of other ${list}s`,
      input: NONE,
      execute() {
        tell();
        return 'told';
      },
    });
  const all = [...tools, changing('tool', () => tellTools()), changing('prompt', () => handler.changed('prompts'))];
  const source = {
    name: 'conformance',
    open: async () => ({
      list: async () => all,
      changed(listener: () => void) {
        tellTools = listener;
        return () => {};
      },
      close: async () => {},
    }),
  };
  const handler = gatewayHandler(engine, source, { sessions, resources, prompts });
  const server = await listen(handler);
  return {
    url: `${server.url}/mcp`,
    async close() {
      await server.close({ grace: 0 });
      await engine.close();
    },
  };
}
