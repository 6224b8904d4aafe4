import { expect, test } from 'vitest';
import { agent, Engine, supervisor, ToolError, tool } from '../../src/index.ts';
import type { Effect } from '../../src/ports/tool.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, asks, ends, failure, shown } from '../kit/runs.ts';

const throttled = { error: 'THROTTLING' };

/** What a supervisor is told of a part that called `tools` one after the other, and whose model was throttled then. */
async function told(calls: readonly Effect[], act: () => unknown, between?: 'a part between them'): Promise<unknown> {
  const reliability = { model: { retry: { attempts: 1 } } };
  const payer = agent({
    name: 'payer',
    description: 'pays',
    instructions: '',
    model: scripted([...calls.map((effect) => asks([effect, {}])), throttled]),
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
      model: scripted([asks(['payer', { task: 'x' }]), throttled]),
      agents: [payer],
      reliability,
    });
  const part = between ? middle() : payer;
  const model = scripted([asks([part.name, { task: 'x' }]), 'done']);
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
  expect(await told(['once'], () => 'paid', 'a part between them')).toMatchObject({ outcome: 'unknown' });
});
