/** A run that another process cancels at the moment at which it pauses or stops: before, and after it has written so. */
import { describe, expect, test } from 'vitest';
import { type Agent, agent, approve, Engine, type Entry, type Journal, type RunHead, type Tool, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, expireLease, headOf, journals, typesOf } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

const wire = tool({ name: 'wire', description: 'Wires', input: anything, approval: true, execute: () => 'wired' });
const look = tool({ name: 'look', description: 'Looks', input: anything, effect: 'read', execute: () => 'seen' });

/** @param thinks is awaited before the model answers. */
const calls = (own: Tool, steps: number, thinks: () => Promise<void>): Agent =>
  agent({
    name: 'a',
    instructions: '',
    model: scripted(async () => {
      await thinks();
      return asks([own.name, {}]);
    }),
    tools: [own],
    limits: { steps },
  });
const ENDINGS = [
  ['pauses', (thinks: () => Promise<void>) => calls(wire, 9, thinks)],
  ['stops at a limit', (thinks: () => Promise<void>) => calls(look, 1, thinks)],
] as const;

describe.each(journals)('a run on $name', ({ make }) => {
  test.each(ENDINGS)('that %s just after it was cancelled is cancelled', async (_, of) => {
    const { journal, another } = make();
    const a = of(async () => undefined);
    const other = new Engine({ journal: another(), agents: [a] });
    let asked = false;
    // the request of the other is in the store before this append, and this process does not know it yet
    const own: Journal = around(journal, {
      append(...args) {
        if (asked || !args[2].some(({ type }) => type === 'run.settled')) return journal.append(...args);
        asked = true;
        return other.cancel('r', { reason: 'enough' }).then(() => journal.append(...args));
      },
    });
    expect(await new Engine({ journal: own, agents: [a] }).run(a, 'go', { id: 'r' })).toMatchObject({
      status: 'cancelled',
      reason: 'enough',
    });
    expect(typesOf(await entriesOf(journal, 'r')).filter((type) => type === 'run.settled')).toHaveLength(1);
    expect(await other.inspect('r')).toMatchObject({ status: 'cancelled', approvals: [] });
  });

  test.each(ENDINGS)('that %s between the look of the one who cancels and its request is cancelled', async (_, of) => {
    const { journal, another } = make();
    const second = another();
    const [looked, ended] = [deferred(), deferred()];
    // it found the run driven, and is slow to say so
    const slow: Journal = around(second, {
      async append(...args) {
        looked.resolve();
        await ended.promise;
        return second.append(...args);
      },
    });
    let cancelling: Promise<void> | undefined;
    const other = new Engine({ journal: slow });
    const a = of(async () => {
      cancelling = other.cancel('r', { reason: 'enough' });
      await looked.promise;
    });
    const engine = new Engine({ journal, agents: [a] });
    expect((await engine.run(a, 'go', { id: 'r' })).status).not.toBe('cancelled');
    ended.resolve();
    await cancelling;
    expect(await engine.inspect('r')).toMatchObject({ status: 'cancelled', approvals: [] });
    expect((await entriesOf(journal, 'r')).at(-1)).toMatchObject({ type: 'run.settled', status: 'cancelled', reason: 'enough' });
  });

  test('that is cancelled while a decision resumes it is cancelled, and says so to the one who resumes', async () => {
    const { journal } = make();
    const a = calls(wire, 9, async () => undefined);
    const engine = new Engine({ journal, agents: [a] });
    const paused = await ends(engine.run(a, 'go', { id: 'r' }), 'paused');
    const resumed = engine.decide('r', [approve(paused.approvals[0])], { by: { id: 'ben' }, resume: true });
    const cancelled = engine.cancel('r', { reason: 'enough' });
    expect(await resumed).toMatchObject({ status: 'cancelled', reason: 'enough' });
    await cancelled;
    expect((await engine.inspect('r')).status).toBe('cancelled');
  });

  test('that another process cancels between the look of the one who resumes and its claim is cancelled', async () => {
    const { journal, another } = make();
    const a = calls(wire, 9, async () => undefined);
    const other = new Engine({ journal: another(), agents: [a] });
    const paused = await ends(other.run(a, 'go', { id: 'r' }), 'paused');
    await other.decide('r', [approve(paused.approvals[0])], { by: { id: 'ben' } });
    const own: Journal = around(journal, {
      // its lease has run out by then
      async append(...args) {
        if (args[2].some(({ type }) => type === 'run.claimed')) await expireLease(journal, 'r').then(() => other.cancel('r'));
        return journal.append(...args);
      },
    });
    expect(await new Engine({ journal: own, agents: [a] }).resume('r')).toMatchObject({ status: 'cancelled' });
    expect(typesOf(await entriesOf(journal, 'r')).filter((type) => type === 'call.started')).toEqual([]);
  });

  test('that was left paused with a request to cancel it is cancelled when it is resumed', async () => {
    const { journal, another } = make();
    const a = calls(wire, 9, async () => undefined);
    const engine = new Engine({ journal, agents: [a] });
    expect((await engine.run(a, 'go', { id: 'r' })).status).toBe('paused');
    const { length } = await entriesOf(journal, 'r');
    const head = (await headOf(journal, 'r')) as RunHead;
    const request: Entry = { type: 'message.received', kind: 'cancel', reason: 'enough', v: 3, seq: length, at: 1 };
    await journal.append('r', length, [request], { ...head, seq: length + 1 });
    expect(await new Engine({ journal: another(), agents: [a] }).resume('r')).toMatchObject({ status: 'cancelled', reason: 'enough' });
  });
});
