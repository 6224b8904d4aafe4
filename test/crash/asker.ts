/** A process that asks for a few keys, in a run of its own: `node asker.ts '<AskerOrder as JSON>'`. */
import { writeSync } from 'node:fs';
import { agent, type CheckResult, Engine, type Json, jsonSchema, type Part, RondoError, tool } from '../../src/index.ts';
import { effects } from './ledger.ts';
import { Points, pointed, type Where } from './points.ts';
import { journalIn } from './store.ts';

export interface AskerOrder {
  dir: string;
  run: string;
  at: Where;
}

const { dir, run, at } = JSON.parse(process.argv[2] as string) as AskerOrder;
const BY = { id: 'ana', tenant: 'acme' };
const ledger = effects(dir);
const points = new Points(at);
const say = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`);
const input = jsonSchema<{ order: string }>({ type: 'object', properties: { order: { type: 'string' } }, required: ['order'] });

const make = (name: string, effect: 'once' | 'idempotent', check?: ({ idempotencyKey }: { idempotencyKey: string }) => CheckResult<Json>) =>
  tool({
    name,
    description: name,
    input,
    effect,
    key: ({ order }) => order,
    deadline: 20_000,
    ...(check && { check }),
    execute: async (_, { idempotencyKey: key, attempt }): Promise<Json> => {
      points.pass(`in ${name}, before its effect`);
      ledger.add({ tool: name, n: 0, key, attempt, pid: process.pid });
      points.pass(`in ${name}, after its effect`);
      await new Promise((resolve) => setTimeout(resolve, 2));
      return `receipt ${key}`;
    },
  });
const found = ({ idempotencyKey }: { idempotencyKey: string }): CheckResult<Json> =>
  ledger.all().some(({ key }) => key === idempotencyKey)
    ? { outcome: 'done', output: `receipt ${idempotencyKey}` }
    : { outcome: 'not-run' };
const calls = ['once', 'checked', 'idempotent'].map((name): Part => ({ type: 'toolCall', id: name, name, input: { order: '7' } }));
const asker = agent({
  name: 'asker',
  instructions: '',
  tools: [make('once', 'once'), make('checked', 'once', found), make('idempotent', 'idempotent')],
  model: {
    provider: 'test',
    id: 'asker',
    generate: async ({ messages }) =>
      messages.length > 1 ? { content: [{ type: 'text', text: 'done' }], stop: 'end' } : { content: calls, stop: 'tools' },
  },
});

const engine = new Engine({ journal: pointed(await journalIn(dir), points.pass), agents: [asker] });
say({ ready: true });
let end: object;
try {
  const known = await engine.inspect(run, { by: BY }).catch((error) => {
    if (RondoError.is(error, 'RUN_NOT_FOUND')) return undefined;
    throw error;
  });
  end = await (known ? engine.resume(run, { by: BY }) : engine.run(asker, 'go', { id: run, by: BY }));
} catch (error) {
  const { code, message } = error as RondoError;
  end = { error: code ?? 'UNTYPED', message };
}
await engine.close();
say({ points: points.count, end });
