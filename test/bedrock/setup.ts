import { afterAll, afterEach, beforeAll } from 'vitest';
import { ToolError } from '../../src/errors.ts';
import type { Message, Model, ModelDelta, ModelRequest, ModelResponse, Part } from '../../src/ports/model.ts';
import { bedrockWire } from '../wire/bedrock.ts';
import type { WireServer } from '../wire/server.ts';

export const ID = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';

/** What the default credential chain would find on a machine that is set up, and nothing of the machine the tests run on. */
export function machine(env: Record<string, string | undefined> = {}): void {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  const clean = {
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_REGION: 'us-east-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/nowhere/config',
    AWS_SHARED_CREDENTIALS_FILE: '/nowhere/credentials',
    ...env,
  };
  for (const [name, value] of Object.entries(clean)) if (value !== undefined) process.env[name] = value;
}

/** A wire server for the tests of one file. */
export function wire(): { readonly server: WireServer } {
  let server: WireServer | undefined;
  beforeAll(async () => {
    machine();
    server = await bedrockWire();
  });
  afterEach(() => {
    machine();
    const left = server?.reset();
    if (left) throw new Error(`the test scripted ${left} answers that no one asked for`);
  });
  afterAll(() => server?.close());
  return {
    get server() {
      if (!server) throw new Error('the wire server is not up yet');
      return server;
    },
  };
}

export const user = (...content: (string | Part)[]): Message => ({ role: 'user', content: parts(content) });
export const assistant = (...content: (string | Part)[]): Message => ({ role: 'assistant', content: parts(content) });
export const results = (...content: Part[]): Message => ({ role: 'tool', content });
const parts = (content: (string | Part)[]): Part[] => content.map((c) => (typeof c === 'string' ? { type: 'text', text: c } : c));

export const request = (r: Partial<ModelRequest> = {}): ModelRequest => ({ instructions: '', messages: [user('hi')], tools: [], ...r });

export const MODES = ['one-shot', 'stream'] as const;
export type Mode = (typeof MODES)[number];

/** One call in one mode, and the deltas it emitted. */
export async function ask(
  model: Model,
  r: ModelRequest,
  mode: Mode,
  signal: AbortSignal = new AbortController().signal,
): Promise<ModelResponse & { deltas: ModelDelta[] }> {
  const deltas: ModelDelta[] = [];
  const emit = mode === 'stream' ? { emit: (d: ModelDelta) => void deltas.push(d) } : {};
  return { ...(await model.generate(r, { signal, ...emit })), deltas };
}

/** The ToolError that a call rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<ToolError> {
  const error = await promise.then(
    () => new Error('it did not reject'),
    (e: unknown) => e,
  );
  if (!(error instanceof ToolError)) throw error;
  return error;
}
