import { expect, test } from 'vitest';
import { type CallRequest, Engine, memoryJournal, type Principal } from '../../src/index.ts';
import { entriesOf } from '../kit/journals.ts';
import { ends, refused } from '../kit/runs.ts';
import { ben, refunding } from './setup.ts';

test('a policy is told the claims of a principal, also of a run that another engine resumes; a field that is not known is not kept', async () => {
  const asked: CallRequest['by'][] = [];
  const policy = {
    decide({ by }: CallRequest) {
      asked.push(by);
      return { allow: true };
    },
  };
  const journal = memoryJournal();
  const { a } = refunding({ rule: { roles: ['lead'] } });
  const claims = JSON.parse('{"department":"sales","__proto__":"a name","scope":"refund read"}');
  const by = { id: 'ana', claims, token: 'secret' } as Principal;
  const paused = await ends(new Engine({ policy, journal }).run(a, 'go', { by }), 'paused');
  const engine = new Engine({ policy, journal });
  await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben });
  engine.register(a);
  await ends(engine.resume(paused.runId), 'completed');
  const kept = { id: 'ana', claims };
  expect(asked.length).toBeGreaterThan(1);
  for (const one of asked) expect(one).toEqual(kept);
  expect(Object.keys(asked.at(-1)?.claims ?? {})).toContain('__proto__');
  expect((await entriesOf(journal, paused.runId))[0]).toMatchObject({ type: 'run.started', by: kept });
});

test.each([
  ['a list', ['a']],
  ['a text', 'a'],
  ['a number as value', { level: 3 }],
  ['an empty name', { '': 'a' }],
  ['a lone surrogate', { name: '\ud800' }],
  ['a value of 4,097 characters', { name: 'a'.repeat(4_097) }],
  ['51 of them', Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`c${i}`, 'a']))],
])('claims that are %s are refused before a run starts', async (_, claims) => {
  const { a } = refunding({ rule: false });
  await refused('CONFIG_INVALID', new Engine({}).run(a, 'go', { by: { id: 'ana', claims } as never }));
});
