import { expect, test } from 'vitest';
import { agent, Engine, type Model, type ModelDelta, type RunEvent, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';

type Delta = RunEvent & { type: 'tool.delta' };
const isDelta = (e: RunEvent): e is Delta => e.type === 'tool.delta';
const note = tool({ name: 'note', description: '', input: anything, execute: () => 'noted' });
const SECRET = 'sk-very-secret-0123456789';

/** A model that streams these deltas in its second answer, after a tool has handed out a credential. */
async function streamed(deltas: readonly ModelDelta[]): Promise<Delta[]> {
  const use = tool({ name: 'use', description: '', input: anything, credentials: { key: { provider: 'p' } }, execute: () => 'used' });
  const script = scripted([asks(['use', {}]), 'done']);
  let asked = 0;
  const model: Model = {
    provider: 'scripted',
    id: 'm',
    generate(request, call) {
      if (++asked === 2) for (const delta of deltas) call.emit?.(delta);
      return script.generate(request, { signal: call.signal });
    },
  };
  const engine = new Engine({ identity: { get: async () => ({ token: SECRET }) } });
  const a = agent({ name: 'a', instructions: '', model, tools: [use] });
  return (await all(engine.run(a, 'go', { by: { id: 'ana' } }))).filter(isDelta);
}
const call = (id: string, text: string): ModelDelta => ({ type: 'toolCall', id, name: 'note', text });
const textOf = (deltas: readonly Delta[], id: string) =>
  deltas
    .filter((d) => d.id === id)
    .map((d) => d.text)
    .join('');

test('the arguments of calls come in fragments, before the answer is in the journal', async () => {
  const input = { text: 'a long text that is written in several fragments' };
  const a = agent({
    name: 'a',
    instructions: '',
    model: scripted([asks(['note', input, 'p1'], ['note', {}, 'p2']), 'done']),
    tools: [note],
  });
  const run = new Engine().run(a, 'go');
  const events = await all(run);
  await ends(run, 'completed');
  const deltas = events.filter(isDelta);
  expect(textOf(deltas, 'p1')).toBe(JSON.stringify(input));
  expect(textOf(deltas, 'p2')).toBe('{}');
  expect(deltas.length).toBeGreaterThan(2);
  expect(deltas[0]).toMatchObject({ id: 'p1', tool: 'note', attempt: 1, step: 1, path: ['a'] });
  expect(events.indexOf(deltas.at(-1) as Delta)).toBeLessThan(events.findIndex((e) => e.type === 'model.finished'));
});

test('a secret that is split over fragments of one call is masked, while another call is written', async () => {
  const half = SECRET.length / 2;
  const deltas = await streamed([
    call('a', `{"key":"${SECRET.slice(0, half)}`),
    call('b', '{"n":1}'),
    call('a', `${SECRET.slice(half)}"}`),
    call('c', `{"end":"${SECRET.slice(0, half)}`),
  ]);
  expect(textOf(deltas, 'a')).toBe('{"key":"[secret key]"}');
  expect(textOf(deltas, 'b')).toBe('{"n":1}');
  // what was held back is shown at the end
  expect(textOf(deltas, 'c')).toBe(`{"end":"${SECRET.slice(0, half)}`);
  expect(JSON.stringify(deltas)).not.toContain(SECRET);
});

test('a secret as the id or the name of a call is masked too', async () => {
  const deltas = await streamed([{ type: 'toolCall', id: SECRET, name: SECRET, text: '{}' }]);
  expect(deltas).toMatchObject([{ id: '[secret key]', tool: '[secret key]', text: '{}' }]);
});

test('streamed arguments are bounded, in characters and calls, and have no gap', async () => {
  const long = await streamed([call('a', 'x'.repeat(999_999)), call('a', 'yy'), call('a', 'z')]);
  expect(textOf(long, 'a')).toBe('x'.repeat(999_999));
  const many = await streamed(Array.from({ length: 500 }, (_, n) => call(`c${n}`, '{}')));
  expect(new Set(many.map((d) => d.id)).size).toBe(128);
});
