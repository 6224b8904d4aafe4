import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Engine } from '../../src/index.ts';
import { all, entriesOf } from '../kit/journals.ts';
import { settle } from '../kit/time.ts';
import { ana, die, type Input, type Life, type Prompt, type Step, TOOLS, type ToolName, tolerate, World } from './random-world.ts';

const call: fc.Arbitrary<[ToolName, Input]> = fc.tuple(
  fc.constantFrom(...TOOLS),
  // mostly the same arguments
  fc.record({ order: fc.constantFrom('7', '8'), cents: fc.constantFrom(5, 5, 5, 6) }),
);
const op = fc.record({
  do: fc.constantFrom(
    'ask',
    'ask',
    'ask',
    'ask',
    'crash',
    'die',
    'resume',
    'steal',
    'decide',
    'decide',
    'settle',
    'reopen',
    'fork',
    'forget',
  ),
  who: fc.nat(1),
  pick: fc.nat(20),
  calls: fc.array(call, { minLength: 1, maxLength: 3 }),
  again: fc.nat(2),
  session: fc.option(fc.constantFrom('s', 't')),
  type: fc.constantFrom('approve', 'edit', 'edit', 'reject'),
  dies: fc.record({ type: fc.constantFrom('call.started', 'call.finished', 'outcome.settled', 'run.started'), after: fc.boolean() }),
  wait: fc.nat(12),
});

async function act(world: World, o: typeof op extends fc.Arbitrary<infer T> ? T : never): Promise<void> {
  const { store, bank } = world;
  const at = world.process(o.who);
  const { engine, a, life } = at;
  const some = <T>(from: readonly T[]): T | undefined => from[o.pick % Math.max(1, from.length)];
  const known = (await all(store.heads({}))).map(({ runId }) => runId);
  const runId = some(known);
  if (o.do === 'ask') {
    const prompt: Prompt = { calls: o.calls, again: o.again };
    const options = { id: world.next(), by: ana, ...(o.session !== null && { session: o.session }) };
    void world.go(at, engine.run(a, JSON.stringify(prompt), options));
  } else if (o.do === 'die') life.diesAt = o.dies;
  else if (o.do === 'crash') {
    const mine = await world.open();
    die(life);
    await settle(3);
    for (const each of mine) await world.expire(each);
  } else if (o.do === 'resume' || o.do === 'steal') {
    const open = some(await world.open());
    if (open === undefined) return;
    if (o.do === 'steal' || (world.processes.some((p) => p.life.dead) && o.pick % 2 === 0)) await world.expire(open);
    void world.go(at, engine.resume(open, { by: ana }));
  } else if (runId === undefined) return;
  else if (o.do === 'decide') await decide(world, at, runId, o.type, o.calls[0]?.[1] as Input);
  else if (o.do === 'settle') {
    const { unknowns } = await engine.inspect(runId, { by: ana });
    const unknown = some(unknowns);
    if (unknown) await world.settleOne(engine, runId, unknown.callId);
  } else if (o.do === 'reopen') {
    const ends = (await entriesOf(store, runId)).flatMap((e) => (e.type === 'call.started' && e.intent ? [e] : []));
    const started = some(ends);
    if (!started?.intent) return;
    const intent = `${started.intent.name} ${started.intent.key}`;
    const before = bank.reopened.get(intent) ?? 0;
    // counted before, because a call may go on at once
    bank.reopened.set(intent, before + 1);
    await engine.reopen({ runId, callId: started.call }, { by: ana, reason: 'once more' }).catch((error) => {
      bank.reopened.set(intent, (bank.reopened.get(intent) ?? 1) - 1);
      tolerate(error);
    });
  } else if (o.do === 'fork') {
    const { length } = await entriesOf(store, runId);
    void world.go(at, engine.fork(runId, { at: o.pick % Math.max(1, length), by: ana, id: world.next() }));
  } else if (o.do === 'forget') await engine.forget(runId, { by: ana }).catch(tolerate);
}

async function decide(world: World, at: { engine: Engine; life: Life }, runId: string, type: string, input: Input): Promise<void> {
  const { approvals } = await at.engine.inspect(runId, { by: ana });
  const [approval] = approvals;
  if (!approval) return;
  const { id } = approval;
  const decision =
    type === 'edit'
      ? ({ approval: id, type, input: { ...input } } as const)
      : type === 'reject'
        ? ({ approval: id, type, reason: 'no' } as const)
        : ({ approval: id, type: 'approve' } as const);
  await at.engine.decide(runId, [decision], { by: ana }).catch(tolerate);
  void world.go(at, at.engine.resume(runId, { by: ana }));
}

/** All that is under way comes to an end, in a process in which nothing goes wrong. */
async function finish(world: World): Promise<Engine> {
  for (const { life } of world.processes) die(life);
  await Promise.all(world.under);
  await settle(3);
  const { engine } = world.born(true);
  for (let rounds = 0; ; rounds++) {
    const open = await world.open();
    if (open.length === 0) break;
    expect(rounds, 'the runs do not come to an end').toBeLessThan(30);
    for (const runId of open) {
      await world.expire(runId);
      const { approvals } = await engine.inspect(runId, { by: ana });
      if (approvals.length > 0)
        await engine.decide(
          runId,
          approvals.map(({ id }) => ({ approval: id, type: 'approve' })),
          { by: ana },
        );
    }
    await Promise.all(open.map((runId) => engine.resume(runId, { by: ana }).then(undefined, tolerate)));
  }
  for (const { runId } of await all(world.store.heads({})))
    for (const { callId } of (await engine.inspect(runId, { by: ana })).unknowns) await world.settleOne(engine, runId, callId);
  return engine;
}

const claimOf = (world: World, name: string, key: string) => world.store.claim?.({ tenant: 'acme', intent: name, key });

// holds intent.I1, intent.I2, intent.I3
test('whatever processes, people and crashes do to calls of a few keys, each key takes effect once until it is reopened', async () => {
  const steps = fc.array(fc.constantFrom<Step>('ok', 'ok', 'ok', 'busy', 'refused', 'lost', 'cut', 'dies before', 'dies after'), {
    minLength: 4,
    maxLength: 12,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(op, { minLength: 3, maxLength: 16 }), steps, fc.boolean(), async (ops, script, slow) => {
      const world = new World(script, slow);
      const { bank } = world;
      for (const each of ops) {
        await settle(each.wait);
        const done = act(world, each);
        // what a process was told to do ends with it
        await Promise.race([done, world.process(each.who).life.end.promise]);
        void done.catch(() => undefined);
        expect(bank.problems).toEqual([]);
      }
      const engine = await finish(world);
      expect(bank.problems).toEqual([]);
      for (const [key, times] of bank.paid) expect(times, `${key} took effect ${times} times`).toBe(1);
      // the store says of each key what is true of it
      for (const name of ['once', 'idempotent'])
        for (const key of ['7', '8']) {
          const claim = await claimOf(world, name, key);
          const idempotencyKey = bank.keys.get(`${name} ${key}`)?.[claim?.generation ?? 0];
          const paid = idempotencyKey !== undefined && bank.paid.has(idempotencyKey);
          if (claim?.state === 'done') expect(paid, `${name} ${key} is done, and took no effect`).toBe(true);
          else if (paid) expect(claim?.state, `${name} ${key} took effect`).toBe('unknown');
          expect(claim?.state).not.toBe('held');
          // only that of a run which was forgotten cannot be settled
          if (claim?.state === 'unknown' && name === 'once') expect(claim.holder, `${name} ${key} cannot be settled`).toBeUndefined();
          if (claim?.state !== 'done' && !(claim?.state === 'unknown' && name === 'idempotent')) continue;
          const before = bank.paid.size;
          const { a, engine: other } = world.born(true);
          const prompt: Prompt = { calls: [5, 6].map((cents) => [name as ToolName, { order: key, cents }]), again: 0 };
          const { runId } = await other.run(a, JSON.stringify(prompt), { by: ana });
          const ends = (await entriesOf(world.store, runId)).flatMap((e) => (e.type === 'call.finished' ? [e] : []));
          if (claim.state === 'unknown') {
            // runs again, with the arguments that it had
            expect(ends.filter((e) => e.ok).map((e) => e.output)).toContain(
              `receipt ${bank.keys.get(`${name} ${key}`)?.[claim.generation]}`,
            );
            expect(bank.problems).toEqual([]);
            continue;
          }
          expect(bank.paid.size).toBe(before);
          const first = ends.filter((e) => e.ok);
          for (const { output, repeated } of first) {
            expect(repeated).toBeDefined();
            if (claim.holder) expect(output).toBe(`receipt ${idempotencyKey}`);
          }
          // a run that was forgotten left nothing to compare with
          expect(first).toHaveLength(claim.holder ? 1 : 2);
        }
      await engine.close();
    }),
    { numRuns: 150, timeout: 60_000 },
  );
});
