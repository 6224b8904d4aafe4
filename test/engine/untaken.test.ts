import { afterEach, beforeEach, expect, test } from 'vitest';
import { agent, Engine, type Run } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { settle } from '../kit/time.ts';

const told: string[] = [];
const listen = ({ name, message }: Error) => void (name === 'RondoWarning' && told.push(message));
beforeEach(() => {
  told.length = 0;
  process.on('warning', listen);
});
afterEach(() => void process.off('warning', listen));

const a = agent({ name: 'a', instructions: '', model: scripted(() => 'done') });
const refused: readonly [string, (engine: Engine) => Run][] = [
  ['a run with a wrong option', (engine) => engine.run(a, 'x', { limits: { steps: -1 } })],
  ['a resumed run that is not there', (engine) => engine.resume('none')],
  ['a decision on a run that is not there', (engine) => engine.decide('none', [], { by: { id: 'ben' }, resume: true })],
];

test.each(refused)('%s that nothing awaits is told of', async (_, begin) => {
  const run = begin(new Engine());
  await settle();
  expect(told).toEqual([expect.stringMatching(new RegExp(`^run ${run.id} rejected, and nothing awaits it: [A-Z_]+: `))]);
});

test.each<[string, (run: Run) => unknown]>([
  ['awaited', (run) => run.then(undefined, () => undefined)],
  ['caught', (run) => run.catch(() => undefined)],
  ['asked for its output', (run) => run.output().catch(() => undefined)],
  [
    'read',
    (run) =>
      run[Symbol.asyncIterator]()
        .next()
        .catch(() => undefined),
  ],
])('one that is %s is not', async (_, take) => {
  for (const [, begin] of refused) take(begin(new Engine()));
  await settle();
  expect(told).toEqual([]);
});

test('one of an engine that was closed is not', async () => {
  const engine = new Engine();
  await engine.close();
  void engine.run(a, 'x');
  await settle();
  expect(told).toEqual([]);
});
