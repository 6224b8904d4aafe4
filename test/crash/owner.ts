/** A process that drives runs when it is told to, line by line; its tools and its model wait until they are told to go on. */

import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import {
  agent,
  Engine,
  type Journal,
  jsonSchema,
  type Message,
  type Model,
  type Part,
  type RondoError,
  type RunResult,
  ToolError,
  tool,
} from '../../src/index.ts';
import { effects } from './ledger.ts';
import { journalIn } from './store.ts';

export interface OwnerOrder {
  dir: string;
  /** Believes that it always gets the lease, so that only the journal's compare-and-set stands between two owners. */
  blind?: boolean;
  /** Its models never answer. */
  hang?: boolean;
}
export type Command =
  /** Starts a run of an agent, or resumes one; `at` is the moment, epoch milliseconds. */
  | { do: 'start'; run: string; agent: string }
  | { do: 'resume'; run: string; at?: number }
  /** Lets the tool or the model of a run that waits go on. */
  | { do: 'release'; run: string };

const order = JSON.parse(process.argv[2] as string) as OwnerOrder;
const ledger = effects(order.dir);

const released = new Set<string>();
const waiting = new Map<string, () => void>();
const release = (run: string) => {
  released.add(run);
  waiting.get(run)?.();
};
const untilReleased = (run: string) => (released.has(run) ? undefined : new Promise<void>((resolve) => waiting.set(run, resolve)));
const aborted = (signal: AbortSignal) => new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

const input = jsonSchema<{ run: string }>({ type: 'object', properties: { run: { type: 'string' } }, required: ['run'] });
const say = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`);

/** Has its effect at once, and answers when it is released; a deaf one does not listen to its signal. */
const act = (name: string, o: { deaf?: true; approval?: true } = {}) =>
  tool({
    name,
    description: name,
    input,
    approval: o.approval ?? false,
    execute: async ({ run }, { idempotencyKey: key, attempt, signal }) => {
      ledger.add({ tool: name, n: 0, key, attempt, pid: process.pid });
      say({ in: name, of: run });
      await (o.deaf ? untilReleased(run) : Promise.race([untilReleased(run), aborted(signal)]));
      return 'done';
    },
  });
const flaky = tool({
  name: 'flaky',
  description: 'fails, and is tried again after long',
  input,
  effect: 'read',
  retry: { attempts: 3 },
  execute: ({ run }) => {
    say({ in: 'flaky', of: run });
    throw new ToolError('SERVICE_UNAVAILABLE', 'down', { retryable: true, retryAfter: 50_000 });
  },
});

const tick = tool({
  name: 'tick',
  description: 'takes a moment',
  input,
  effect: 'read',
  execute: () => new Promise<string>((resolve) => setTimeout(resolve, 1, 'ticked')),
});

/** Asks for these tools at once, and then is done. The run's input is its id. */
function model(calls: readonly string[], wait: boolean): Model {
  return {
    provider: 'test',
    id: 'driver',
    generate: async ({ messages }) => {
      const [said] = (messages[0] as Message).content;
      const run = (said as Part & { type: 'text' }).text;
      if (wait && !released.has(run)) {
        say({ in: 'model', of: run });
        await untilReleased(run);
      }
      if (messages.length > 1) return { content: [{ type: 'text', text: 'all done' }], stop: 'end' };
      return { content: calls.map((name, i): Part => ({ type: 'toolCall', id: `${name}-${i}`, name, input: { run } })), stop: 'tools' };
    },
  };
}

const tools = [act('listens'), act('deaf', { deaf: true }), act('asks', { approval: true }), flaky, tick];
const make = (name: string, calls: readonly string[], wait = order.hang === true) =>
  agent({ name, instructions: '', model: model(calls, wait), tools });
const agents = [
  make('listens', ['listens']),
  make('deaf', ['deaf']),
  make('thinks', ['listens'], true),
  make('retries', ['flaky']),
  make('asks', ['asks']),
  make('mixed', ['asks', 'listens']),
  make('busy', ['asks', ...Array<string>(100).fill('tick')]),
];

const store = await journalIn(order.dir);
const blind: Journal = { ...bound(store), renew: () => true };
const engine = new Engine({ journal: order.blind ? blind : store, agents });

function bound(journal: Journal): Journal {
  return {
    durable: journal.durable,
    append: (...args) => journal.append(...args),
    read: (...args) => journal.read(...args),
    heads: (...args) => journal.heads(...args),
    renew: (...args) => journal.renew(...args),
    remove: (...args) => journal.remove(...args),
    close: () => journal.close?.(),
  };
}

const answer = (run: string, result: PromiseLike<RunResult>) =>
  void result.then(
    ({ status }) => say({ answer: status, of: run }),
    ({ code, message }: RondoError) => say({ answer: code ?? message, of: run }),
  );

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command;
  if (command.do === 'release') release(command.run);
  else if (command.do === 'start') {
    const agent = agents.find(({ name }) => name === command.agent) as (typeof agents)[number];
    answer(command.run, engine.run(agent, command.run, { id: command.run }));
  } else {
    // to the fraction of a millisecond, so that two of them meet
    while (performance.timeOrigin + performance.now() < (command.at ?? 0));
    answer(command.run, engine.resume(command.run));
  }
}
await engine.close();
