/** A model that does whatever the attacker wants, and all the places where an attacker would look for loot afterwards. */
import { channel } from 'node:diagnostics_channel';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { onTestFinished } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import {
  type AgentOptions,
  agent,
  Engine,
  type EngineOptions,
  type Entry,
  type Journal,
  type Json,
  type Model,
  type ModelRequest,
  type RunEvent,
  type RunOptions,
  type RunResult,
  type Tool,
  type ToolOptions,
  type ToolSource,
  tool,
} from '../../src/index.ts';
import type { Schema } from '../../src/schema.ts';
import { entriesOf } from '../kit/journals.ts';
import { anything } from '../kit/runs.ts';

// biome-ignore lint/suspicious/noExplicitAny: an attacker keeps to no type
export type Anything = any;
type Tools = readonly (Tool | ToolSource)[];

/** Answers raw, as no adapter of ours would build them; the last one is given again and again. */
export function raw(answers: readonly unknown[], o: Partial<Model> = {}): Model & { requests: ModelRequest[] } {
  const requests: ModelRequest[] = [];
  return {
    provider: 'eve',
    id: 'evil',
    ...o,
    requests,
    async generate(request, call) {
      requests.push({ ...request, messages: structuredClone(request.messages) });
      const answer = answers[Math.min(requests.length, answers.length) - 1];
      return (typeof answer === 'function' ? answer(call) : answer) as Anything;
    },
  };
}
export const calling = (name: string, input: unknown, more: object = {}) => ({
  content: [{ type: 'toolCall', id: 'p', name, input, ...more }],
  stop: 'tools',
  usage: { input: 1, output: 1 },
});
export const saying = (text: string) => ({ content: [{ type: 'text', text }], stop: 'end', usage: { input: 1, output: 1 } });

/** A tool that writes down what it was called with. */
export function ledgered(over: Partial<ToolOptions<string, Schema, Schema, string, Anything>> = {}) {
  const ledger: Json[] = [];
  const { execute = () => 'done', ...options } = over;
  const made = tool({
    name: 'act',
    description: '',
    input: anything,
    ...options,
    execute: (input, ctx) => {
      ledger.push(input as Json);
      return execute(input, ctx);
    },
  });
  return { tool: made as Tool, ledger };
}

export const clerk = (model: Model, tools: Tools = [], more: Partial<AgentOptions<Tools, Schema>> = {}) =>
  agent({ name: 'clerk', instructions: '', model, tools, ...more });

/** A SQLite journal in a folder of its own; `bytes` are all that its files hold. */
export function onDisk() {
  const folder = mkdtempSync(join(tmpdir(), 'rondo-attack-'));
  const path = join(folder, 'runs.db');
  const opened: Journal[] = [];
  onTestFinished(async () => {
    for (const journal of opened) await journal.close?.();
    rmSync(folder, { recursive: true });
  });
  return {
    path,
    open() {
      const journal = sqliteJournal(path);
      opened.push(journal);
      return journal;
    },
    bytes: () => Buffer.concat(readdirSync(folder).map((file) => readFileSync(join(folder, file)))),
  };
}

/** A tracer whose spans stay here. */
export function spans() {
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  return {
    tracer: provider.getTracer('attack'),
    text: () =>
      JSON.stringify(
        exporter.getFinishedSpans().map(({ name, attributes, events, links, status }) => ({ name, attributes, events, links, status })),
      ),
    count: () => exporter.getFinishedSpans().length,
  };
}

/** The sockets that were opened while a test ran. */
export function sockets() {
  const opened: unknown[] = [];
  const net = channel('net.client.socket');
  const seen = (message: unknown) => void opened.push(message);
  net.subscribe(seen);
  onTestFinished(() => void net.unsubscribe(seen));
  return opened;
}

/** Everything that a run left behind. */
export async function loot(
  model: Model & { readonly requests: readonly ModelRequest[] },
  tools: Tools,
  o: { engine?: EngineOptions; run?: RunOptions; content?: boolean } = {},
) {
  const disk = onDisk();
  const journal = disk.open();
  const traced = spans();
  const events: RunEvent[] = [];
  const engine = new Engine({
    journal,
    ...o.engine,
    telemetry: { tracer: traced.tracer, content: o.content ?? true },
    onEvent: (event) => {
      events.push(event);
      o.engine?.onEvent?.(event);
    },
  });
  const run = engine.run(clerk(model, tools), 'go', { by: { id: 'ana' }, ...o.run } as never);
  const result = await settled(run);
  const log = await entriesOf(journal, run.id);
  return { engine, runId: run.id, result, log, events, requests: model.requests, spans: traced.text(), bytes: disk.bytes(), disk, journal };
}

/** A result, or what it was rejected with. */
export const settled = (run: PromiseLike<RunResult>): Promise<RunResult | { status: 'rejected'; error: Error & { code?: string } }> =>
  Promise.resolve(run).catch((error) => ({ status: 'rejected' as const, error }));

export const HANGS = Symbol('hangs');
/** Far over what a busy machine takes, and under the ceiling of a test, so that it is told what hangs. */
const PATIENCE = 120_000;
/** What a promise comes to, or HANGS where it does not in time. No test passes because of it. */
export function within<T>(promise: PromiseLike<T>): Promise<T | typeof HANGS> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<typeof HANGS>((resolve) => {
    timer = setTimeout(() => resolve(HANGS), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
export const never = () => new Promise<never>(() => {});

/** How a call ended, as the journal has it. */
export const finishedIn = (log: readonly Entry[]) => log.flatMap((entry) => (entry.type === 'call.finished' ? [entry] : []));
/** The text of the newest tool result that the model was shown. */
export function told(request: ModelRequest | undefined): string {
  const part = request?.messages.at(-1)?.content[0];
  return part?.type === 'toolResult' ? part.output.map((p) => (p.type === 'text' ? p.text : `(${p.type})`)).join('') : '';
}

/** `levels` arrays inside each other. */
export function nested(levels: number): Json {
  let value: Json = 1;
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}
