import {
  type Agent,
  agent,
  askHuman,
  type Effect,
  type Json,
  jsonSchema,
  type Model,
  type ModelRequest,
  type ModelResponse,
  type Part,
  type Prices,
  type Schema,
  ToolError,
  type ToolOptions,
  tool,
} from '../../src/index.ts';
import type { Act, Ask, ModelFault, Script, ToolName } from './script.ts';

/** An execution of a tool that had, or may have had, its effect. */
export interface Done {
  key: string;
  tool: string;
  n: number;
}

const MAX_OUTPUT = 100;
export const PRICES: Prices = { 'test/script': { input: 3, output: 15, source: 'this test', date: '2026-11-21' } };
const TIMEOUT = 100;

const input = jsonSchema<{ n: number }>({
  type: 'object',
  properties: { n: { type: 'integer' } },
  required: ['n'],
  additionalProperties: false,
});
type Options = ToolOptions<string, typeof input, Schema, never, unknown>;

const later = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const never = () => new Promise<never>(() => undefined);
const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

/** The world that a script plays in: what its tools did stays done, no matter who crashes. */
export class Scene {
  readonly script: Script;
  readonly done: Done[];
  readonly agent: Agent;
  /** Called with each request that a model gets. */
  asked: (request: ModelRequest) => void = () => undefined;
  readonly #requests: number[] = [];

  constructor(script: Script, done: readonly Done[] = []) {
    this.script = script;
    this.done = [...done];
    this.agent = agent({
      name: 'scripted',
      instructions: 'Follow the script.',
      model: this.#model(),
      tools: this.#tools(),
      parallel: script.parallel,
      limits: script.limits,
      reliability: {
        model: { timeout: 500, retry: { attempts: 3, initialDelay: 10 } },
        tools: { timeout: TIMEOUT, deadline: 4 * TIMEOUT, retry: { attempts: 3, initialDelay: 10 } },
      },
    });
  }

  #model(): Model {
    return {
      provider: 'test',
      id: 'script',
      maxOutput: MAX_OUTPUT,
      generate: async (request, { signal, emit }) => {
        this.asked(request);
        const turn = request.messages.filter(({ role }) => role === 'assistant').length;
        const step = this.script.steps[turn];
        const n = this.#requests[turn] ?? 0;
        this.#requests[turn] = n + 1;
        emit?.({ type: 'text', text: 'so ' });
        await misbehave(step?.faults[n], signal);
        emit?.({ type: 'text', text: 'then' });
        if (step?.faults[n] === 'answers-nothing') return undefined as never;
        const content: Part[] = [{ type: 'text', text: `turn ${turn}` }];
        step?.asks.forEach((ask, i) => {
          content.push({
            type: 'toolCall',
            id: step.sameId ? 'same' : `${turn}-${i}`,
            name: ask.tool,
            input: argumentsOf(ask, 10 * turn + i),
          });
        });
        const usage = { input: Math.ceil(Buffer.byteLength(JSON.stringify(request.messages)) / 4), output: MAX_OUTPUT - turn };
        const response: ModelResponse = { content, stop: content.length > 1 ? 'tools' : stopOf(step?.stop) };
        return step?.usage === false ? response : { ...response, usage };
      },
    };
  }

  #tools() {
    const approvals: Partial<Record<ToolName, Options['approval']>> = {
      asks: true,
      expires: { expires: 1_000 },
      role: ({ n }) => n >= 0 && { roles: ['lead'], reason: 'a test' },
    };
    const make = (name: ToolName, effect: Effect) =>
      tool({
        name,
        description: name,
        input,
        effect,
        ...(approvals[name] !== undefined && { approval: approvals[name] }),
        ...(name === 'checked' && { check: this.#check }),
        execute: ({ n }, { idempotencyKey: key, attempt, signal, progress }) => {
          const { acts } = this.#askOf(n);
          const act = acts[Math.min(attempt, acts.length) - 1] as Act;
          progress({ n });
          if (act !== 'not-run') this.done.push({ key, tool: name, n });
          return perform(act, signal);
        },
      });
    return [
      make('read', 'read'),
      make('idempotent', 'idempotent'),
      make('once', 'once'),
      make('checked', 'once'),
      make('asks', 'once'),
      make('expires', 'once'),
      make('role', 'idempotent'),
      askHuman(),
    ];
  }

  readonly #check: Options['check'] = ({ idempotencyKey, input: { n } }) => {
    const { check } = this.#askOf(n);
    if (check === 'throws') throw new Error('the check broke');
    if (check === 'hangs') return never();
    if (check === 'junk') return undefined as never;
    if (check === 'unknown') return { outcome: 'unknown' };
    return this.done.some(({ key }) => key === idempotencyKey) ? { outcome: 'done', output: 'found' } : { outcome: 'not-run' };
  };

  #askOf(n: number): Ask {
    return this.script.steps[Math.floor(Math.abs(n) / 10)]?.asks[Math.abs(n) % 10] as Ask;
  }
}

const stopOf = (stop: ModelResponse['stop'] | undefined) => (stop === undefined || stop === 'tools' ? 'end' : stop);

function argumentsOf({ tool, bad }: Ask, n: number): Json {
  const good = tool === 'ask_human' ? { question: `what of ${n}?` } : { n };
  const wrong: Record<Ask['bad'], unknown> = {
    no: good,
    type: { n: 'one', question: 1 },
    extra: { ...good, more: true },
    missing: {},
    null: null,
    text: 'not even an object',
    proto: JSON.parse(`{"n":${n},"__proto__":{"n":0},"constructor":1}`),
  };
  return wrong[bad] as Json;
}

async function misbehave(fault: ModelFault | undefined, signal: AbortSignal): Promise<void> {
  switch (fault) {
    case 'throttled':
      throw Object.assign(new Error('slow down'), { name: 'ThrottlingException' });
    case 'down':
      throw Object.assign(new Error('not now'), { status: 503 });
    case 'denied':
      throw Object.assign(new Error('not you'), { status: 403 });
    case 'broken-stream':
      await later(1);
      throw new ToolError('STREAM_BROKEN', 'the stream ended early', { retryable: true });
    case 'hangs':
      return untilAborted(signal);
    case 'hangs-deaf':
      return never();
    case 'throws-nothing':
      throw undefined;
    case 'slow':
      return later(200);
    default:
      return;
  }
}

const JUNK: Record<string, () => unknown> = {
  bigint: () => 1n,
  circular: () => {
    const a: Record<string, unknown> = {};
    a.a = a;
    return a;
  },
  function: () => () => 1,
  nothing: () => undefined,
  nan: () => ({ a: Number.NaN, b: Number.POSITIVE_INFINITY }),
  map: () => new Map([[1, Symbol('x')]]),
  'throwing-json': () => ({
    toJSON() {
      throw new Error('no JSON of me');
    },
  }),
};

function perform(act: Act, signal: AbortSignal): unknown {
  switch (act) {
    case 'sync':
      return { ok: true };
    case 'throws-sync':
      throw new Error('at once');
    case 'hangs':
      return never();
    case 'thenable':
      // calls back twice, and throws after that
      return {
        then(resolve: (v: unknown) => void, reject: (e: unknown) => void) {
          setTimeout(() => {
            resolve('first');
            reject(new Error('second'));
          }, 2);
        },
      };
    default:
      return performLater(act, signal);
  }
}

async function performLater(act: Act, signal: AbortSignal): Promise<unknown> {
  await later(act === 'slow' ? TIMEOUT / 2 : act.startsWith('late') ? TIMEOUT * 1.5 : 1);
  switch (act) {
    case 'throws':
      throw new Error('it failed');
    case 'late-throw':
      throw new Error('failed, and late');
    case 'throws-junk':
      throw { toString: null };
    case 'not-run':
      throw new ToolError('BUSY', 'not begun', { outcome: 'not-run', retryable: true });
    case 'retryable':
      throw new ToolError('BUSY', 'try again', { retryable: true });
    case 'unknown':
      throw new ToolError('LOST', 'who knows', { outcome: 'unknown', retryable: true });
    case 'huge':
      return 'ä'.repeat(100_000);
    default:
      return JUNK[act.slice('returns-'.length)]?.() ?? { act, aborted: signal.aborted };
  }
}
