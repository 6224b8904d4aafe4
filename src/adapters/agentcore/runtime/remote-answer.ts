/** Reads what a runtime answers: the messages of `serve()`, or the JSON, text or stream of any other program. */
import type { Failure } from '../../../errors.ts';
import { ToolError } from '../../../errors.ts';
import { type Json, jsonIn } from '../../../json.ts';
import type { Answer } from './remote-line.ts';

/** The result of a run of ours. It is untrusted. */
export interface RemoteResult {
  runId: string;
  status: string;
  output?: Json;
  approvals?: readonly unknown[];
  error?: Partial<Failure>;
  usage?: unknown;
  costUsd?: unknown;
}

/** What is known of the answer so far. */
export interface Reading {
  /** The run of ours that answers. Its turn may be asked for again under the same request id. */
  runId?: string;
  /** The program has sent something. */
  begun: boolean;
}

export interface Listening {
  readonly maxBytes: number;
  text(text: string): void;
  alive(): void;
}

type Read = { ours: RemoteResult } | { output: Json };

/** @throws ToolError, or what the connection throws. */
export async function readAnswer({ type, body }: Answer, reading: Reading, on: Listening): Promise<Read> {
  if (/^text\/event-stream\b/i.test(type)) return readStream(textOf(body, reading, on), reading, on);
  let text = '';
  for await (const part of textOf(body, reading, on)) text += part;
  if (!/[/+]json\b/i.test(type) && !/^application\/octet-stream\b/i.test(type)) return { output: text };
  const value = jsonIn(text);
  if (isOurs(value)) return { ours: value };
  return { output: value ?? text };
}

async function readStream(parts: AsyncIterable<string>, reading: Reading, on: Listening): Promise<Read> {
  const others: Json[] = [];
  for await (const data of eventsOf(parts)) {
    const value = jsonIn(data);
    const message = (typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}) as { [k: string]: Json };
    if (others.length === 0 && message.type === 'run' && typeof message.runId === 'string') reading.runId = message.runId;
    else if (reading.runId === undefined) {
      const said = value ?? data;
      if (typeof said === 'string') on.text(said);
      others.push(said);
    } else if (message.type === 'text' && typeof message.text === 'string') on.text(message.text);
    else if (message.type === 'result' && isOurs(value)) return { ours: value };
    else if (message.type === 'error')
      throw new ToolError('AGENTCORE_RUNTIME_FAILED', `the run ${reading.runId} could not be followed: ${String(message.message)}`, {
        outcome: 'unknown',
        retryable: true,
      });
  }
  // the connection was closed early, which a stream of another program cannot tell from its end
  if (reading.runId !== undefined) throw new Error('the stream ended before the result');
  if (others.every((part) => typeof part === 'string')) return { output: others.join('') };
  return { output: others.length === 1 ? (others[0] as Json) : others };
}

const isOurs = (value: unknown): value is RemoteResult =>
  typeof (value as RemoteResult | null)?.runId === 'string' && typeof (value as RemoteResult).status === 'string';

async function* textOf(body: AsyncIterable<Uint8Array>, reading: Reading, on: Listening): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let size = 0;
  for await (const chunk of body) {
    reading.begun = true;
    on.alive();
    size += chunk.byteLength;
    if (size > on.maxBytes)
      throw new ToolError('AGENTCORE_TOO_LARGE', `it answered more than ${on.maxBytes} bytes.`, { outcome: 'unknown' });
    yield decoder.decode(chunk, { stream: true });
  }
  yield decoder.decode();
}

/** The data of each Server-Sent Event. */
async function* eventsOf(parts: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let rest = '';
  let data: string[] = [];
  for await (const part of parts) {
    const lines = (rest + part).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() as string;
    for (const line of lines) {
      if (line === '' && data.length > 0) {
        yield data.join('\n');
        data = [];
      } else if (line.startsWith('data:')) data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
    }
  }
  if (rest.startsWith('data:')) data.push(rest.slice(rest.startsWith('data: ') ? 6 : 5));
  if (data.length > 0) yield data.join('\n');
}
