/** Who drives a run: no one takes it from a living owner by asking, deciding, cancelling or by an unlucky moment. */
import { describe, expect, test } from 'vitest';
import { Engine, type Journal } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, headOf, journals } from '../kit/journals.ts';
import { asks, ends, refused } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';
import { type Anything, clerk, ledgered } from './setup.ts';

const by = { id: 'ben' };

describe.each(journals)('on $name', ({ make }) => {
  /** A run of two approvals: one engine drives it on after the first, at the very moment another appends to it as it was before. */
  async function raced(outsider: (engine: Engine, runId: string, ids: readonly string[]) => Promise<unknown>) {
    const { journal, another } = make();
    const go = deferred();
    const { tool, ledger } = ledgered({ approval: true, execute: () => go.promise });
    const a = clerk(scripted([asks(['act', { n: 1 }], ['act', { n: 2 }]), 'done']), [tool]);
    const paused = await ends(new Engine({ journal }).run(a, 'go'), 'paused');
    const ids = paused.approvals.map((x) => x.id);
    const owner = new Engine({ journal: another(), agents: [a] });
    let owned: PromiseLike<Anything> | undefined;
    const late: Journal = another();
    const engine = new Engine({
      agents: [a],
      journal: around(late, {
        async append(...args) {
          if (!owned) {
            await owner.decide(paused.runId, [{ approval: ids[0] as string, type: 'approve' }], { by });
            owned = owner.resume(paused.runId);
            await until(() => ledger.length > 0);
          }
          await late.append(...args);
        },
      }),
    });
    await outsider(engine, paused.runId, ids);
    const third = new Engine({ journal: another(), agents: [a] });
    return { owner, owned: owned as PromiseLike<Anything>, go, third, ledger, runId: paused.runId, journal };
  }

  test('a decision that races with a resume leaves the run to its owner', async () => {
    const { owned, go, third, ledger, runId, journal } = await raced((engine, runId, ids) =>
      engine.decide(runId, [{ approval: ids[1] as string, type: 'approve' }], { by }),
    );
    expect(await headOf(journal, runId)).toMatchObject({ status: 'running', owner: expect.any(String), leaseUntil: expect.any(Number) });
    await refused('RUN_BUSY', third.resume(runId));
    for await (const found of third.recover()) throw new Error(`took ${(found as Anything).runId} from its owner`);
    go.resolve();
    expect((await owned).status).toBe('completed');
    expect(ledger).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test('so does a cancellation, and the owner sees it', async () => {
    const { owned, go, third, ledger, runId } = await raced((engine, runId) => engine.cancel(runId, { reason: 'stop' }));
    await refused('RUN_BUSY', third.resume(runId));
    go.resolve();
    // in this process no one beats: it is heard with the owner's next append
    expect(['cancelled', 'paused', 'completed']).toContain((await owned).status);
    expect(ledger).toHaveLength(1);
  });
});

test.each(['decide', 'cancel', 'settle'])('%s by an outsider does not shorten, take or end the lease of the owner', async (what) => {
  for (const { make } of journals) {
    const { journal, another } = make();
    const go = deferred();
    const slow = ledgered({ name: 'slow', execute: () => go.promise });
    const gone = ledgered({ name: 'gone', timeout: 5, execute: () => new Promise(() => {}) });
    const { tool } = ledgered({ approval: true });
    const a = clerk(scripted([asks(['gone', {}], ['act', {}], ['slow', {}]), 'done']), [tool, slow.tool, gone.tool]);
    const run = new Engine({ journal }).run(a, 'go');
    const outside = new Engine({ journal: another(), agents: [a] });
    await until(() => slow.ledger.length);
    while ((await outside.inspect(run.id)).unknowns.length === 0) await new Promise((r) => setTimeout(r, 2));
    const before = await headOf(journal, run.id);
    const { approvals, unknowns } = await outside.inspect(run.id);
    if (what === 'decide') await outside.decide(run.id, [{ approval: approvals[0]?.id as string, type: 'approve' }], { by });
    if (what === 'cancel') await outside.cancel(run.id);
    if (what === 'settle') await outside.settle(run.id, unknowns[0]?.callId as string, { outcome: 'done', by });
    const after = await headOf(journal, run.id);
    expect(after).toMatchObject({ owner: before?.owner, leaseUntil: before?.leaseUntil, status: 'running' });
    await refused('RUN_BUSY', outside.resume(run.id));
    go.resolve();
    await run;
  }
});

describe('a decision that comes while its call ends another way', () => {
  const ways: readonly [string, (engine: Engine, runId: string, late: () => void) => Promise<unknown>][] = [
    ['the run is cancelled', (engine, runId) => engine.cancel(runId)],
    ['the approval expires, and the agent asks again', (engine, runId, late) => (late(), Promise.resolve(engine.resume(runId)))],
    [
      'somebody rejects it and goes on',
      async (engine, runId) => {
        const [approval] = (await engine.inspect(runId)).approvals;
        await engine.decide(runId, [{ approval: approval?.id as string, type: 'reject', reason: 'no' }], { by: { id: 'cas' } });
        await engine.resume(runId);
      },
    ],
  ];
  test.each(ways)('%s: it is refused, recorded nowhere, and what is open stays listed', async (_, meanwhile) => {
    for (const { make } of journals) {
      const { journal, another } = make();
      let ahead = 0;
      const timed = (inner: Journal, over: Partial<Journal> = {}) => around(inner, { now: () => Date.now() + ahead, ...over });
      const { tool, ledger } = ledgered({ approval: { expires: 60_000 } });
      const a = clerk(scripted([asks(['act', { n: 1 }]), asks(['act', { n: 2 }]), 'done']), [tool]);
      const engine = new Engine({ journal: timed(journal), agents: [a] });
      const paused = await ends(engine.run(a, 'go'), 'paused');
      const late = another();
      let raced = false;
      const slow = timed(late, {
        async append(...args) {
          if (!raced) {
            raced = true;
            await meanwhile(engine, paused.runId, () => {
              ahead = 100_000;
            });
          }
          await late.append(...args);
        },
      });
      const decision = { approval: paused.approvals[0].id, type: 'approve' } as const;
      const code = await new Engine({ journal: slow, agents: [a] }).decide(paused.runId, [decision], { by }).then(
        () => 'accepted',
        (error) => error.code,
      );
      expect(code).toMatch(/^APPROVAL_(CLOSED|EXPIRED)$/);
      const approved = (await entriesOf(journal, paused.runId)).filter(
        (e) => e.type === 'approval.decided' && e.decision.type === 'approve',
      );
      expect(approved).toEqual([]);
      expect(ledger).toEqual([]);
      const state = await engine.inspect(paused.runId);
      expect(state.approvals).toHaveLength(state.status === 'paused' ? 1 : 0);
    }
  });
});
