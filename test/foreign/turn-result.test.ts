import { expect, test } from 'vitest';
import { Engine, foreignAgent, memoryJournal } from '../../src/index.ts';
import { ends } from '../kit/runs.ts';

const circle: { [key: string]: unknown } = {};
circle.self = circle;
const deep = JSON.parse(`${'['.repeat(300)}${']'.repeat(300)}`);
const ask = { id: 'a', kind: 'question', question: 'Which?' };
const paused = (asks: unknown, state: unknown = {}) => ({ status: 'paused', state, asks });

test.each<[string, unknown, string]>([
  ['nothing', undefined, "neither { status: 'completed' } nor { status: 'paused' }"],
  ['a status that does not exist', { status: 'done', output: 'x' }, "neither { status: 'completed' } nor { status: 'paused' }"],
  ['a pause without asks', paused([]), 'paused without asking'],
  ['a pause whose asks are no list', paused({ ...ask }), 'paused without asking'],
  ['two asks of one id', paused([ask, ask]), 'an id of its own'],
  ['an ask without an id', paused([{ ...ask, id: undefined }]), 'an id of its own'],
  ['an ask with a misspelt rule', paused([{ ...ask, role: ['lead'] }]), 'role'],
  ['an output that is nested too deeply', { status: 'completed', output: deep }, 'the output cannot be kept: it is nested'],
  ['an output that is too large', { status: 'completed', output: 'x'.repeat(4 * 1024 * 1024) }, 'the output is larger than'],
  ['a state that is too large', paused([ask], 'x'.repeat(4 * 1024 * 1024)), 'the state is larger than'],
  ['an output that is in a circle', { status: 'completed', output: circle }, 'the output cannot be kept'],
])('a turn that gives %s fails, may have taken effect, and is not tried again', async (_, result, said) => {
  const journal = memoryJournal();
  let turns = 0;
  // one that may run twice would be tried again, were it an error like any other
  const alien = foreignAgent({
    name: 'alien',
    effect: 'idempotent',
    retry: { initialDelay: 0 },
    turn: async () => {
      turns++;
      return result as never;
    },
  });
  const { error } = await ends(new Engine({ journal }).run(alien, 'x'), 'failed');
  expect(error.message).toContain(said);
  expect(error).toMatchObject({ code: 'TOOL_FAILED', outcome: 'unknown', retryable: false, attempts: 1 });
  expect(turns).toBe(1);
});
