import { expect, test } from 'vitest';
import { z } from 'zod';
import type { NodeContext } from '../../src/graph/types.ts';
import { type Agent, agent, Engine, graph, supervisor, ToolError, tool } from '../../src/index.ts';
import type { Effect } from '../../src/ports/tool.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, asks, ends, failure, shown } from '../kit/runs.ts';

type Code = 'THROTTLING' | 'SERVICE_UNAVAILABLE' | 'TIMEOUT';

/** What a supervisor is told of a part that called `tools` one after the other, and whose model failed then. */
async function told(
  calls: readonly Effect[],
  act: () => unknown,
  { code = 'THROTTLING', between = false }: { code?: Code; between?: boolean } = {},
): Promise<unknown> {
  const failed = { error: code };
  const reliability = { model: { retry: { attempts: 1 } } };
  const payer = agent({
    name: 'payer',
    description: 'pays',
    instructions: '',
    model: scripted([...calls.map((effect) => asks([effect, {}])), failed]),
    tools: calls.map((effect) =>
      tool({ name: effect, description: '', input: anything, effect, retry: { attempts: 1 }, execute: act as () => string }),
    ),
    reliability,
  });
  const middle = () =>
    supervisor({
      name: 'middle',
      description: 'm',
      instructions: '',
      model: scripted([asks(['payer', { task: 'x' }]), failed]),
      agents: [payer],
      reliability,
    });
  return toldOf(between ? middle() : payer, { task: 'x' });
}

/** What the model of a supervisor is told of a part that fails. */
async function toldOf(part: Agent, input: { [field: string]: string }): Promise<unknown> {
  const model = scripted([asks([part.name, input]), 'done']);
  await ends(new Engine().run(supervisor({ name: 'boss', instructions: '', model, agents: [part] }), 'go'), 'completed');
  const [seen] = shown(model.requests[1]);
  const { attempts: _, message: __, ...rest } = failure(seen);
  return rest;
}

const unknown = { code: 'THROTTLING', outcome: 'unknown', retryable: false };
const notRun = { code: 'THROTTLING', outcome: 'not-run', retryable: true };

test.each<[string, readonly Effect[], () => unknown, object]>([
  ['has paid', ['once'], () => 'paid', unknown],
  ['has written what may be written twice', ['idempotent'], () => 'put', unknown],
  [
    'does not know whether it paid',
    ['once'],
    () => {
      throw new Error('?');
    },
    unknown,
  ],
  ['has only read', ['read'], () => 'read', notRun],
  ['has done nothing', [], () => 'x', notRun],
  [
    'was refused at its tool',
    ['once'],
    () => {
      throw new ToolError('BUSY', 'x', { outcome: 'not-run' });
    },
    notRun,
  ],
])('a part that %s, and whose model is throttled then', async (_, calls, act, expected) => {
  expect(await told(calls, act)).toEqual(expected);
});

test('a frame below a frame counts too', async () => {
  expect(await told(['once'], () => 'paid', { between: true })).toMatchObject({ outcome: 'unknown' });
});

test.each<Code>(['SERVICE_UNAVAILABLE', 'TIMEOUT'])('a part that has paid is not asked again after %s of its model', async (code) => {
  expect(await told(['once'], () => 'paid', { code })).toEqual({ code, outcome: 'unknown', retryable: false });
  expect(await told(['read'], () => 'read', { code })).toEqual({ code, outcome: 'failed', retryable: true });
});

const unavailable = Object.assign(new Error('the mail is down'), { status: 503 });

test.each<[string, (ctx: Pick<NodeContext, 'durable'>) => unknown, (() => never) | undefined, object]>([
  ['has paid in a step, and fails in a later node', ({ durable }) => durable('pay', () => 'paid'), fails, { code: 'SERVICE_UNAVAILABLE' }],
  [
    'fails at a step that may have paid',
    ({ durable }) => durable('pay', () => new Promise(() => {}), { timeout: 1 }),
    undefined,
    { code: 'TIMEOUT' },
  ],
])('a graph that %s is not run again', async (_, pay, later, expected) => {
  const part = graph({
    name: 'part',
    description: 'pays',
    state: z.object({ order: z.string() }),
    nodes: { pay: async (_, ctx) => void (await pay(ctx)), tell: () => later?.() },
    edges: { start: 'pay', pay: 'tell', tell: 'end' },
  });
  expect(await toldOf(part as Agent, { order: '7' })).toEqual({ ...expected, outcome: 'unknown', retryable: false });
});

function fails(): never {
  throw unavailable;
}
