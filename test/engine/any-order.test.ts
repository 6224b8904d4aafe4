import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  agent,
  askHuman,
  type Decision,
  Engine,
  type Journal,
  type Message,
  memoryJournal,
  RondoError,
  ToolError,
  tool,
} from '../../src/index.ts';
import type { Json } from '../../src/json.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, around, entriesOf, expireLease, headOf, later } from '../kit/journals.ts';
import { anything, asks } from '../kit/runs.ts';
import { type Deferred, deferred, settle } from '../kit/time.ts';

const RUN = 'the-run';
const KINDS = ['read', 'idem', 'once', 'signed', 'ask_human', 'flaky', 'missing'] as const;
type Kind = (typeof KINDS)[number];

/** One life of a process: when it is dead, nothing of it happens any more. */
interface Life {
  dead: boolean;
  end: Deferred;
}
const never = () => new Promise<never>(() => undefined);

function clerk(plan: readonly (readonly Kind[])[], world: Map<string, number>, life: Life) {
  const did = async (key: string, value: string) => {
    if (life.dead) return never();
    world.set(key, (world.get(key) ?? 0) + 1);
    await settle(6);
    return life.dead ? never() : value;
  };
  const tools = [
    tool({
      name: 'read',
      description: '',
      input: anything,
      effect: 'read',
      execute: () => settle(1).then(() => (life.dead ? never() : 'read')),
    }),
    tool({
      name: 'idem',
      description: '',
      input: anything,
      effect: 'idempotent',
      execute: (_, c) => did(`idem ${c.idempotencyKey}`, 'idem'),
    }),
    tool({ name: 'once', description: '', input: anything, execute: (_, c) => did(`once ${c.idempotencyKey}`, 'once') }),
    tool({
      name: 'signed',
      description: '',
      input: anything,
      approval: { expires: 100, allow: ['approve', 'edit', 'reject', 'respond'] },
      execute: (_, c) => did(`once ${c.idempotencyKey}`, 'signed'),
    }),
    tool({
      name: 'flaky',
      description: '',
      input: anything,
      effect: 'read',
      retry: { initialDelay: 0 },
      execute: (_, { attempt }) => {
        if (attempt === 1) throw new ToolError('NETWORK', 'gone', { retryable: true });
        return 'flaky';
      },
    }),
    askHuman({ expires: 200 }),
  ];
  const model = scripted(async ({ messages }) => {
    await settle(1);
    if (life.dead) return never();
    const step = messages.filter((m) => m.role === 'assistant').length;
    const calls = plan[step];
    const input = (name: Kind, i: number): Json => (name === 'ask_human' ? { question: `${step}.${i}?` } : { n: `${step}.${i}` });
    return calls ? asks(...calls.map((name, i) => [name, input(name, i), `c${step}.${i}`] as const)) : 'the end';
  });
  return agent({ name: 'clerk', instructions: '', model, tools, parallel: 2, limits: { steps: 2, toolCalls: 3 } });
}

const op = fc.record({
  do: fc.constantFrom(
    'drive',
    'drive',
    'decide',
    'decide',
    'decide',
    'tick',
    'crash',
    'crash',
    'steal',
    'close',
    'look',
    'raise',
    'cancel',
  ),
  who: fc.nat(1),
  pick: fc.nat(3),
  type: fc.constantFrom('approve', 'edit', 'reject', 'respond'),
  wait: fc.nat(6),
});

/** What may be answered to somebody who comes at a bad moment; anything else is a bug. */
const EXPECTED = new Set(['RUN_BUSY', 'APPROVAL_CLOSED', 'APPROVAL_EXPIRED', 'DECISION_INVALID', 'ENGINE_CLOSED', 'RUN_NOT_FOUND']);
const tolerate = (error: unknown) => {
  if (!RondoError.is(error) || !EXPECTED.has(error.code)) throw error;
};

const decisionOf = (approval: string, type: string): Decision => {
  if (type === 'edit') return { approval, type, input: { n: 'edited' } };
  if (type === 'reject') return { approval, type, reason: 'no' };
  if (type === 'respond') return { approval, type, answer: 'answered' };
  return { approval, type: 'approve' };
};

/** Every call has one result, in the order asked, before the model is asked again. */
function expectWellFormed(messages: readonly Message[]) {
  messages.forEach((m, i) => {
    const calls = m.content.flatMap((p) => (p.type === 'toolCall' ? [p.id] : []));
    if (m.role !== 'assistant' || calls.length === 0 || i === messages.length - 1) return;
    expect(messages[i + 1]?.content.map((p) => p.type === 'toolResult' && p.id)).toEqual(calls);
  });
}

async function expectSound(journal: Journal, world: ReadonlyMap<string, number>) {
  const log = await entriesOf(journal, RUN);
  expect(log.map((e) => e.seq)).toEqual(log.map((_, i) => i));
  for (const [key, times] of world) if (key.startsWith('once')) expect(times, key).toBe(1);
  const finished = log.flatMap((e) => (e.type === 'call.finished' ? [e.call] : []));
  expect(new Set(finished).size).toBe(finished.length);
  const asked = new Map(log.flatMap((e) => (e.type === 'approval.requested' ? [[e.id, e] as const] : [])));
  const allowed = new Map<string, number>();
  for (const e of log)
    if (e.type === 'approval.decided' && (e.decision.type === 'approve' || e.decision.type === 'edit'))
      allowed.set(asked.get(e.id)?.call as string, e.seq);
  for (const { call } of asked.values()) {
    const started = log.find((e) => e.type === 'call.started' && e.call === call);
    if (started) expect(allowed.get(call), `call ${call} had no approval when it began`).toBeLessThan(started.seq);
  }
  const reader = new Engine({ journal });
  const events = await all(reader.watch(RUN));
  for (const at of [0, 3, 7, log.length - 2]) {
    if (at < 0 || at >= log.length) continue;
    expectWellFormed((await reader.inspect(RUN, { at })).messages);
    expect(await all(reader.watch(RUN, { after: at }))).toEqual(events.filter((e) => (e.seq as number) > at));
  }
}

test('whatever two processes and their users do to a run, in any order, it stays valid and can be completed', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.constantFrom(...KINDS, 'once', 'signed'), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
      fc.array(op, { maxLength: 14 }),
      fc.boolean(),
      async (plan, ops, slow) => {
        const store = slow ? later(memoryJournal()) : memoryJournal();
        const clock = { now: 1_000 };
        const world = new Map<string, number>();
        /** A process with a life of its own. */
        const born = () => {
          const life: Life = { dead: false, end: deferred() };
          const mortal = around(store, {
            now: () => clock.now,
            append: (...args) => (life.dead ? never() : store.append(...args)),
            renew: (...args) => (life.dead ? never() : store.renew(...args)),
            read: (...args) => (life.dead ? { [Symbol.asyncIterator]: () => ({ next: never }) } : store.read(...args)),
          });
          const a = clerk(plan, world, life);
          return { life, a, engine: new Engine({ journal: mortal, agents: [a] }) };
        };
        const processes = [born(), born()] as [ReturnType<typeof born>, ReturnType<typeof born>];
        const under: Promise<unknown>[] = [];
        const drive = (who: number, limits?: { steps: number; toolCalls: number }) => {
          const { engine, a, life } = processes[who] as ReturnType<typeof born>;
          const went = headOf(store, RUN).then((head) =>
            head ? engine.resume(RUN, limits && { limits }) : engine.run(a, 'go', { id: RUN }),
          );
          const quiet = went.then(undefined, (e) => {
            if (!RondoError.is(e, 'RUN_EXISTS')) tolerate(e);
          });
          under.push(Promise.race([quiet, life.end.promise]));
          return quiet;
        };
        let raised = 2;
        void drive(0);
        for (const { do: what, who, pick, type, wait } of ops) {
          await settle(wait);
          const { engine, life } = processes[who] as ReturnType<typeof born>;
          if (what === 'drive') void drive(who);
          else if (what === 'raise') void drive(who, { steps: ++raised, toolCalls: raised * 2 });
          else if (what === 'tick') clock.now += 90;
          // its owner lives on, and does not know yet
          else if (what === 'steal') {
            await expireLease(store, RUN);
            void drive(who);
          } else if (what === 'cancel' && pick === 0) await engine.cancel(RUN, { reason: 'enough' }).catch(tolerate);
          else if (what === 'look') await engine.inspect(RUN).catch(tolerate);
          else if (what === 'decide') {
            const open = await engine.inspect(RUN).then(
              (s) => s.approvals,
              () => [],
            );
            const approval = open[pick % Math.max(1, open.length)];
            if (approval) await engine.decide(RUN, [decisionOf(approval.id, type)], { by: { id: `p${who}` } }).catch(tolerate);
          } else if (what === 'crash') {
            life.dead = true;
            life.end.resolve();
            processes[who] = born();
            await settle(3);
            await expireLease(store, RUN);
          } else if (what === 'close') {
            await engine.close();
            processes[who] = born();
          }
        }
        await Promise.all(under);
        await settle(5);
        // bring it to its end
        const last = born();
        await expireLease(store, RUN);
        for (let n = 0; ; n++) {
          expect(n).toBeLessThan(30);
          const head = await headOf(store, RUN);
          const result = await (head
            ? last.engine.resume(RUN, { limits: { steps: 99, toolCalls: 99 } })
            : last.engine.run(last.a, 'go', { id: RUN, limits: { steps: 99, toolCalls: 99 } }));
          if (result.status === 'failed') expect(result.error.code).toBe('CRASH_LOOP');
          if (result.status === 'completed') expect(result.output).toBe('the end');
          if (result.status !== 'paused') {
            expect(['completed', 'cancelled', 'failed']).toContain(result.status);
            break;
          }
          const { approvals } = await last.engine.inspect(RUN);
          for (const { id, allow } of approvals)
            await last.engine.decide(RUN, [decisionOf(id, allow[0] as string)], { by: { id: 'ben' } }).catch(tolerate);
        }
        await expectSound(store, world);
        expectWellFormed((await last.engine.inspect(RUN)).messages);
      },
    ),
    { numRuns: 300 },
  );
});
