import { describe, expect, test } from 'vitest';
import { type Decision, Engine, type Entry, type Json, memoryJournal } from '../../src/index.ts';
import { type Appended, entriesOf, journals, leftBehind, recording } from '../kit/journals.ts';
import { asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';
import { ana, ben, elsewhere, refunding } from './setup.ts';

/** The appends with one entry changed, as somebody would who writes to the store by hand. */
const tampered = (appends: readonly Appended[], change: (entry: Entry) => Entry | undefined): Appended[] =>
  appends.map((a) => ({ ...a, entries: a.entries.map((e) => change(structuredClone(e)) ?? e) }));

const withInput =
  (input: Json) =>
  (entry: Entry): Entry | undefined =>
    entry.type === 'model.responded'
      ? { ...entry, content: entry.content.map((p) => (p.type === 'toolCall' ? { ...p, input } : p)) }
      : undefined;

async function approved(type: Decision = { approval: '', type: 'approve' }) {
  const { journal, appends } = recording(memoryJournal());
  const { a, ledger } = refunding();
  const engine = new Engine({ journal });
  const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
  await engine.decide(paused.runId, [{ ...type, approval: paused.approvals[0].id }], { by: ben });
  return { appends, a, ledger, runId: paused.runId };
}

describe('an approval is bound to the call it was given for', () => {
  test('an untouched journal runs what was approved', async () => {
    const { appends, a, ledger, runId } = await approved();
    await ends(elsewhere(await leftBehind(tampered(appends, () => undefined)), a).resume(runId), 'completed');
    expect(ledger).toEqual([{ orderId: '7', cents: 6_000 }]);
  });

  test.each<[string, (entry: Entry) => Entry | undefined]>([
    ['arguments that were changed in the journal', withInput({ orderId: '7', cents: 600_000 })],
    ['arguments with a key more', withInput({ orderId: '7', cents: 6_000, to: 'eve' })],
    [
      'another tool of the same arguments',
      (e) =>
        e.type === 'model.responded'
          ? { ...e, content: e.content.map((p) => (p.type === 'toolCall' ? { ...p, name: 'wire' } : p)) }
          : undefined,
    ],
    [
      'a digest that was changed with the arguments, but not in the decision',
      (e) => (e.type === 'approval.requested' ? { ...e, digest: 'f'.repeat(64) } : undefined),
    ],
  ])('%s are refused, and nothing runs', async (_, change) => {
    const { appends, a, ledger, runId } = await approved();
    const engine = elsewhere(await leftBehind(tampered(appends, change)), a);
    const error = await refused('JOURNAL_DAMAGED', engine.resume(runId));
    expect(error.message).toContain('approved');
    expect(ledger).toEqual([]);
  });

  test('arguments with their keys in another order are the same arguments', async () => {
    const { appends, a, ledger, runId } = await approved();
    await ends(elsewhere(await leftBehind(tampered(appends, withInput({ cents: 6_000, orderId: '7' }))), a).resume(runId), 'completed');
    expect(ledger).toHaveLength(1);
  });

  test('an edit that was changed in the journal is refused', async () => {
    const { appends, a, ledger, runId } = await approved({ approval: '', type: 'edit', input: { orderId: '7', cents: 1 } });
    const change = (e: Entry) =>
      e.type === 'approval.decided' && e.decision.type === 'edit'
        ? { ...e, decision: { ...e.decision, input: { orderId: '7', cents: 600_000 } } }
        : undefined;
    await refused('JOURNAL_DAMAGED', elsewhere(await leftBehind(tampered(appends, change)), a).resume(runId));
    expect(ledger).toEqual([]);
  });

  test('a second decision that was inserted into the journal has no effect: the first one counts', async () => {
    const { appends, a, ledger, runId } = await approved({ approval: '', type: 'reject', reason: 'no' });
    const last = appends.at(-1) as Appended;
    const no = last.entries[0] as Entry & { type: 'approval.decided' };
    const yes = { ...no, seq: no.seq + 1, decision: { approval: no.id, type: 'approve' as const } };
    const forged = { ...last, seq: yes.seq, entries: [yes], head: { ...last.head, seq: yes.seq + 1 } };
    await ends(elsewhere(await leftBehind([...appends, forged]), a).resume(runId), 'completed');
    expect(ledger).toEqual([]);
  });

  test('a rejection that was turned into an approval of another run is refused', async () => {
    const first = await approved();
    const second = await approved({ approval: '', type: 'reject', reason: 'no' });
    const yes = first.appends.flatMap((a) => a.entries).find((e) => e.type === 'approval.decided');
    const ask = first.appends.flatMap((a) => a.entries).find((e) => e.type === 'approval.requested');
    const change = (e: Entry): Entry | undefined =>
      e.type === 'approval.decided'
        ? { ...(yes as Entry), seq: e.seq }
        : e.type === 'approval.requested'
          ? { ...(ask as Entry), seq: e.seq }
          : undefined;
    await refused('JOURNAL_DAMAGED', elsewhere(await leftBehind(tampered(second.appends, change)), second.a).resume(second.runId));
    expect(second.ledger).toEqual([]);
  });

  test('arguments that were changed after the approved call had started are refused when it runs again after a crash', async () => {
    const { journal, appends } = recording(memoryJournal());
    const hang = deferred();
    const { a, ledger } = refunding({ effect: 'idempotent' });
    const engine = new Engine({
      journal,
      use: [
        {
          tool: async (_, next) => {
            await hang.promise;
            return next();
          },
        },
      ],
    });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben });
    void engine.resume(paused.runId);
    await until(() => appends.some((x) => x.entries.some((e) => e.type === 'call.started')));
    const after = await leftBehind(tampered(appends, withInput({ orderId: '7', cents: 600_000 })));
    await refused('JOURNAL_DAMAGED', elsewhere(after, a).resume(paused.runId));
    expect(ledger).toEqual([]);
    // untouched, it does run again
    await ends(elsewhere(await leftBehind(appends), a).resume(paused.runId), 'completed');
    expect(ledger).toEqual([{ orderId: '7', cents: 6_000 }]);
  });
});

describe.each(journals)('an edit on $name', ({ make }) => {
  test('to null, decided without knowing the tool, does not run the old arguments', async () => {
    const { journal, another } = make();
    const { a, ledger, model } = refunding();
    const paused = await ends(new Engine({ journal }).run(a, 'go'), 'paused');
    await new Engine({ journal: another() }).decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'edit', input: null }], {
      by: ben,
    });
    await ends(elsewhere(another(), a).resume(paused.runId), 'completed');
    expect(ledger).toEqual([]);
    expect(failure(shown(model.requests[1])[0]).code).toBe('INVALID_ARGUMENTS');
  });

  test('that the decider mutates later is stored as it was decided', async () => {
    const { journal } = make();
    const { a, ledger } = refunding();
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const input = { orderId: '7', cents: 1 };
    const deciding = engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'edit', input }], { by: ben });
    input.cents = 600_000;
    await deciding;
    input.cents = 700_000;
    await ends(engine.resume(paused.runId), 'completed');
    expect(ledger).toEqual([{ orderId: '7', cents: 1 }]);
  });
});

test('the digest of an approval is over the canonical arguments', async () => {
  const one = refunding({ steps: [asks(['refund', { a: 1, b: [{ d: 1, c: 2 }] }])] });
  const two = refunding({ name: 'two', steps: [asks(['refund', { b: [{ c: 2, d: 1 }], a: 1 }])] });
  const engine = new Engine();
  const digests = [];
  for (const { a } of [one, two]) {
    const run = await ends(engine.run(a, 'go'), 'paused');
    digests.push((run.approvals[0] as { digest: string }).digest);
    expect(await engine.inspect(run.runId)).toMatchObject({ approvals: run.approvals });
  }
  expect(digests[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(digests[0]).toBe(digests[1]);
});

test('nothing in the journal can be read as a decision that was not made', async () => {
  const journal = memoryJournal();
  const { a, ledger } = refunding();
  const engine = new Engine({ journal });
  const paused = await ends(engine.run(a, 'go'), 'paused');
  // a program that holds what the engine gave it changes its copies
  const state = await engine.inspect(paused.runId);
  const [approval] = state.approvals as unknown as { roles?: string[]; allow: string[]; input: { cents: number } }[];
  approval?.allow.push('respond');
  if (approval) approval.input.cents = 1;
  const call = state.messages[1]?.content[0] as unknown as { input: { cents: number } };
  call.input.cents = 600_000;
  expect((await engine.inspect(paused.runId)).approvals).toEqual(paused.approvals);
  expect((await entriesOf(journal, paused.runId))[1]).toMatchObject({ content: [{ input: { orderId: '7', cents: 6_000 } }] });
  await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben });
  await ends(engine.resume(paused.runId), 'completed');
  expect(ledger).toEqual([{ orderId: '7', cents: 6_000 }]);
});
