/** How many runs a loop drives at a time, whatever made them due. */
import { describe, expect, test } from 'vitest';
import { type Agent, agent, approve, Engine, type Journal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, expireLease, journals } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { deferred, settle, until } from '../kit/time.ts';
import { working } from './setup.ts';

const IDS = ['a1', 'a2', 'a3', 'b1', 'b2', 'c1'];
const callerOf = (id: string) => ({ id: 'ana', tenant: id.slice(0, 1) });

const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 'paid' });
const named = (model: ReturnType<typeof scripted>) => agent({ name: 'held', instructions: '', model, tools: [pay] });

/** Leaves a run that a decision makes due. */
async function decided(journal: Journal, id: string): Promise<void> {
  const engine = new Engine({ journal });
  const asking = named(scripted(() => asks(['pay', {}])));
  const { approvals } = await ends(engine.run(asking, id, { id, by: callerOf(id) }), 'paused');
  await engine.decide(id, [approve(approvals[0])], { by: { id: 'ben', tenant: id.slice(0, 1) } });
}

/** Leaves a run whose process died. */
async function abandoned(journal: Journal, id: string): Promise<void> {
  const crashed = new Engine({
    journal: around(journal, {
      append: (...a) => (a[2].some((e) => e.type === 'model.responded') ? new Promise(() => undefined) : journal.append(...a)),
    }),
  });
  void crashed.run(named(scripted(() => 'never told')), id, { id, by: callerOf(id) });
  await until(async () => (await entriesOf(journal, id)).length > 0);
  await expireLease(journal, id);
}

/** An agent that counts its runs, and lets them end when it is told to. */
function counting(): { held: Agent; begun: string[]; free(): void } {
  const gate = deferred();
  const begun: string[] = [];
  const held = named(
    scripted(async ({ messages }) => {
      const [part] = messages[0]?.content ?? [];
      begun.push(part?.type === 'text' ? part.text : '');
      await gate.promise;
      return 'done';
    }),
  );
  return { held, begun, free: () => gate.resolve(undefined) };
}

describe.each(journals)('on $name', ({ make }) => {
  describe.each([
    ['runs that were decided', decided],
    ['runs whose process died', abandoned],
  ])('%s', (_, leave) => {
    test.each([
      ['at most concurrency', 2, { concurrency: 2 }, (begun: readonly string[]) => begun.length],
      [
        'at most perTenant of a tenant',
        1,
        { perTenant: 1 },
        (begun: readonly string[]) => Math.max(...['a', 'b', 'c'].map((tenant) => begun.filter((id) => id.startsWith(tenant)).length)),
      ],
    ])('%s are driven at a time, and in the end all', async (_, bound, o, most) => {
      const { journal } = make();
      for (const id of IDS) await leave(journal, id);
      const { held, begun, free } = counting();
      const { work } = working({ journal, agents: [held] }, { every: 5, ...o });
      await until(() => most(begun) >= bound && begun.length >= 2);
      await settle();
      expect(most(begun)).toBe(bound);
      free();
      await work.idle();
      expect(begun.toSorted()).toEqual(IDS);
      expect(work.state().driven).toBe(IDS.length);
    });
  });
});
