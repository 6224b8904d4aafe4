import { describe, expect, test } from 'vitest';
import {
  agent,
  append,
  askHuman,
  Engine,
  type EngineOptions,
  graph,
  type Journal,
  jsonSchema,
  memoryJournal,
  waitForEvent,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, dies, entriesOf, headOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { clock, DAY, HOUR, waits } from './setup.ts';

const START = Date.UTC(2026, 0, 1);
const mail = jsonSchema<{ text: string }>({
  type: 'object',
  properties: { text: { type: 'string' } },
  required: ['text'],
  additionalProperties: false,
});
const ana = { id: 'ana' };
const reply = (text: string, id?: string, key = 't1') => ({ event: 'reply', key, data: { text }, ...(id !== undefined && { id }) });

const waiter = (name = 'clerk') => {
  const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['wait_for_reply', {}])));
  const tool = waitForEvent({ name: 'wait_for_reply', event: 'reply', key: 't1', schema: mail, for: 3 * DAY });
  return { a: agent({ name, instructions: '', model, tools: [tool] }), model };
};
type Waiter = ReturnType<typeof waiter>;
const told = ({ model }: Waiter) => shown(model.requests.at(-1))[0];
const engineOf = (journal: Journal, a: Waiter['a'], o: EngineOptions = {}) => new Engine({ journal, agents: [a], ...o });

describe.each(journals)('an event on $name', ({ make }) => {
  test('reaches the run that waits, through any process, and wakes it', async () => {
    const { journal, another } = make();
    const { on } = clock();
    const w = waiter();
    const paused = await waits(engineOf(on(journal), w.a).run(w.a, 'go'));
    expect(paused.waiting).toMatchObject([{ name: 'wait_for_reply', event: 'reply', key: 't1', until: START + 3 * DAY }]);
    const before = await entriesOf(journal, paused.runId);

    const sender = new Engine({ journal: on(another()) });
    expect(await sender.signal(reply('It works', 'e1'), { by: ana })).toEqual({ id: 'e1', state: 'assigned' });
    expect(await entriesOf(journal, paused.runId), 'the run is not written by the sender').toEqual(before);
    expect(await headOf(journal, paused.runId)).toMatchObject({ status: 'paused', wakeAt: 0 });

    const [swept] = await engineOf(on(another()), w.a).sweep();
    await ends(swept?.run as never, 'completed');
    expect(JSON.parse(told(w)?.text ?? '')).toEqual({ text: 'It works' });
    const end = (await entriesOf(journal, paused.runId)).find((e) => e.type === 'call.finished');
    expect(end).toMatchObject({ output: { text: 'It works' }, event: { id: 'e1', at: START, by: 'ana' } });
    expect(await sender.signal(reply('It works', 'e1'), { by: ana })).toEqual({ id: 'e1', state: 'taken' });
    expect(await sender.events()).toEqual([]);
  });

  test('sent before the run waits, it is kept for it', async () => {
    const { journal } = make();
    const { on } = clock();
    const w = waiter();
    const engine = engineOf(on(journal), w.a);
    expect(await engine.signal(reply('early'), { by: ana })).toMatchObject({ state: 'waiting' });
    await ends(engine.run(w.a, 'go'), 'completed');
    expect(told(w)?.text).toContain('early');
  });

  test('for no one, it is kept for seven days, then listed as expired, and its id is free', async () => {
    const { journal } = make();
    const { time, on } = clock();
    const w = waiter();
    const engine = engineOf(on(journal), w.a);
    await engine.signal(reply('no one there', 'e1'), { by: ana });
    expect(await engine.events()).toEqual([
      { id: 'e1', event: 'reply', key: 't1', data: { text: 'no one there' }, by: 'ana', at: START, state: 'waiting' },
    ]);
    time.now += 7 * DAY;
    expect(await engine.events()).toMatchObject([{ id: 'e1', state: 'expired' }]);
    await waits(engine.run(w.a, 'go'));
    expect(await engine.signal(reply('other', 'e1'), { by: ana })).toEqual({ id: 'e1', state: 'assigned' });
  });

  test('one that expired is listed for thirty days, and the id of one that was taken is remembered for seven', async () => {
    const { journal } = make();
    const { time, on } = clock();
    const w = waiter();
    const engine = engineOf(on(journal), w.a);
    const ids = async () => (await engine.events()).map(({ id }) => id);
    await waits(engine.run(w.a, 'go'));
    await engine.signal(reply('taken', 'e1'), { by: ana });
    await engine.signal(reply('for no one', 'e2', 't2'), { by: ana });
    for (const { run } of await engine.sweep()) await ends(run, 'completed');
    time.now += 7 * DAY - 1;
    expect(await engine.signal(reply('taken', 'e1'), { by: ana })).toEqual({ id: 'e1', state: 'taken' });
    time.now += 1;
    expect(await engine.signal(reply('taken', 'e1'), { by: ana })).toEqual({ id: 'e1', state: 'waiting' });
    // old ones are deleted when another one comes
    time.now += 30 * DAY - 1;
    await engine.signal(reply('another', 'e3'), { by: ana });
    expect(await ids()).toEqual(['e3', 'e1', 'e2']);
    time.now += 2;
    await engine.signal(reply('another', 'e4'), { by: ana });
    expect(await ids()).toEqual(['e4', 'e3', 'e1']);
  });

  // holds inbox.I1
  test('the oldest wait gets the oldest event; one that is sent twice has no effect', async () => {
    const { journal } = make();
    const { time, on } = clock();
    const [first, second] = [waiter('first'), waiter('second')];
    const engine = new Engine({ journal: on(journal), agents: [first.a, second.a] });
    await waits(engine.run(first.a, 'go', { id: 'r1' }));
    await waits(engine.run(second.a, 'go', { id: 'r2' }));
    expect(await engine.signal(reply('one', 'e1'), { by: ana })).toMatchObject({ state: 'assigned' });
    expect(await engine.signal(reply('one', 'e1'), { by: ana })).toMatchObject({ state: 'assigned' });
    await refused('EVENT_CONFLICT', engine.signal(reply('uno', 'e1'), { by: ana }));
    await refused('EVENT_CONFLICT', engine.signal(reply('one', 'e1', 't2'), { by: ana }));
    await engine.signal(reply('two', 'e2'), { by: ana });
    await engine.signal(reply('three', 'e3'), { by: ana });
    time.now += 1;
    expect((await engine.sweep()).map(({ runId }) => runId).sort()).toEqual(['r1', 'r2']);
    expect([told(first)?.text, told(second)?.text]).toEqual(['{"text":"one"}', '{"text":"two"}']);
    expect((await engine.events()).map(({ id }) => id)).toEqual(['e3']);
  });

  test('deliver: all reaches every run that waits, and only those of its tenant', async () => {
    const { journal } = make();
    const { on } = clock();
    const w = waiter();
    const engine = engineOf(on(journal), w.a);
    const acme = { id: 'ben', tenant: 'acme' };
    for (const [id, by] of [
      ['r1', acme],
      ['r2', acme],
      ['r3', ana],
      ['r4', { id: 'eve', tenant: 'evil' }],
    ] as const)
      await waits(engine.run(w.a, 'go', { id, by }));
    await engine.signal({ ...reply('hi', 'e1'), deliver: 'all' }, { by: acme });
    expect((await engine.sweep()).map(({ runId }) => runId).sort()).toEqual(['r1', 'r2']);
    expect(await engine.signal({ ...reply('hi', 'e1'), deliver: 'all' }, { by: acme })).toEqual({ id: 'e1', state: 'taken' });
    // the id of another tenant is another one
    expect(await engine.signal(reply('else', 'e1'), { by: ana })).toMatchObject({ state: 'assigned' });
    expect((await engine.sweep()).map(({ runId }) => runId)).toEqual(['r3']);
  });

  test('data that does not fit is refused and listed, and the wait goes on', async () => {
    const { journal, another } = make();
    const { on } = clock();
    const w = waiter();
    const paused = await waits(engineOf(on(journal), w.a).run(w.a, 'go'));
    const engine = new Engine({ journal: on(another()) });
    const bad = { event: 'reply', key: 't1', data: { txt: 'oops' }, id: 'e1' };
    const error = await refused('EVENT_REJECTED', engine.signal(bad, { by: ana }));
    expect(error.message).toContain('text');
    await refused('EVENT_REJECTED', engine.signal(bad, { by: ana }));
    expect(await engine.events()).toMatchObject([{ id: 'e1', state: 'rejected', data: { txt: 'oops' }, problem: expect.any(String) }]);
    expect((await headOf(journal, paused.runId))?.wakeAt).toBe(START + 3 * DAY);
    await engine.signal(reply('fits'), { by: ana });
    expect(await engineOf(on(another()), w.a).sweep()).toHaveLength(1);
    expect(told(w)?.text).toContain('fits');
  });

  // holds inbox.I2
  test('data that the owner refuses is listed, an entry says so, and the next event is taken', async () => {
    const { journal } = make();
    const { on } = clock();
    const w = waiter();
    const engine = engineOf(on(journal), w.a);
    // sent before anyone waits, so that no schema is known
    await engine.signal({ event: 'reply', key: 't1', data: 7, id: 'e1' }, { by: ana });
    await engine.signal(reply('second', 'e2'), { by: ana });
    const done = await ends(engine.run(w.a, 'go'), 'completed');
    expect(told(w)?.text).toContain('second');
    expect((await entriesOf(journal, done.runId)).find((e) => e.type === 'event.rejected')).toMatchObject({ id: 'e1' });
    expect(await engine.events()).toMatchObject([{ id: 'e1', state: 'rejected' }]);
  });

  // holds inbox.I4
  test('after data that it refuses, a wait is given no event that has expired meanwhile', async () => {
    const { journal } = make();
    const { time, on } = clock();
    const w = waiter();
    const slow = around(on(journal), {
      async append(...args) {
        await journal.append(...args);
        // a day passes between the wait, which is given the first event, and the look at it
        if (args[2].some((entry) => entry.type === 'wait.began')) time.now += DAY;
      },
    });
    const engine = engineOf(slow, w.a);
    await engine.signal({ event: 'reply', key: 't1', data: 7, id: 'e1' }, { by: ana });
    await engine.signal(reply('second', 'e2'), { by: ana });
    time.now += 6.5 * DAY;
    await waits(engine.run(w.a, 'go'));
    expect(await engine.events()).toMatchObject([
      { id: 'e2', state: 'expired' },
      { id: 'e1', state: 'rejected' },
    ]);
  });

  test('no event in time: the agent is told, and a late one is kept for another wait', async () => {
    const { journal } = make();
    const { time, on } = clock();
    const w = waiter();
    const engine = engineOf(on(journal), w.a);
    await waits(engine.run(w.a, 'go'));
    time.now += 3 * DAY;
    const [swept] = await engine.sweep();
    await ends(swept?.run as never, 'completed');
    expect(failure(told(w) as never)).toMatchObject({ code: 'EVENT_TIMEOUT', outcome: 'not-run' });
    expect(await engine.signal(reply('late'), { by: ana })).toMatchObject({ state: 'waiting' });
  });

  test('an event and the time-out at once: the event that is in the store is taken', async () => {
    const { journal } = make();
    const { time, on } = clock();
    const w = waiter();
    const engine = engineOf(on(journal), w.a);
    await waits(engine.run(w.a, 'go'));
    time.now += 3 * DAY;
    await engine.signal(reply('just in time'), { by: ana });
    await engine.sweep();
    expect(told(w)?.text).toContain('just in time');
  });

  test('a process that dies before it has taken an event: the next one takes it, once', async () => {
    const { journal, another } = make();
    const { on } = clock();
    const w = waiter();
    const paused = await waits(engineOf(on(journal), w.a).run(w.a, 'go'));
    await new Engine({ journal: on(another()) }).signal(reply('once', 'e1'), { by: ana });
    const dying = dies(on(another()), (entry) => entry.type === 'call.finished');
    await expect(engineOf(dying, w.a).resume(paused.runId)).rejects.toThrow();
    await journal.renew(paused.runId, (await headOf(journal, paused.runId))?.owner as string, 0);
    const engine = engineOf(on(another()), w.a);
    expect(await engine.events()).toMatchObject([{ id: 'e1', state: 'assigned' }]);
    await ends(engine.resume(paused.runId), 'completed');
    expect((await entriesOf(journal, paused.runId)).filter((e) => e.type === 'call.finished')).toHaveLength(1);
    expect(await engine.events()).toEqual([]);
  });

  test('an event that comes while the run pauses makes it due at once', async () => {
    const { journal, another } = make();
    const { on } = clock();
    const w = waiter();
    const sender = new Engine({ journal: on(another()) });
    let sent = false;
    const racing = around(on(journal), {
      async append(...args) {
        if (!sent && args[2].some((entry) => entry.type === 'run.settled')) {
          sent = true;
          await sender.signal(reply('in between'), { by: ana });
        }
        return journal.append(...args);
      },
    });
    const paused = await waits(engineOf(racing, w.a).run(w.a, 'go'));
    expect((await headOf(journal, paused.runId))?.wakeAt).toBe(0);
    const [swept] = await engineOf(on(another()), w.a).sweep();
    await ends(swept?.run as never, 'completed');
  });

  // holds inbox.I3
  test('a run that ends or is forgotten leaves its event to the next wait', async () => {
    const { journal } = make();
    const { on } = clock();
    const w = waiter();
    const engine = engineOf(on(journal), w.a);
    for (const id of ['r1', 'r2', 'r3']) await waits(engine.run(w.a, 'go', { id }));
    await engine.signal(reply('pass it on', 'e1'), { by: ana });
    await engine.cancel('r1');
    expect(await headOf(journal, 'r2')).toMatchObject({ wakeAt: 0 });
    await engine.cancel('r2');
    await engine.forget('r1');
    expect((await engine.sweep()).map(({ runId }) => runId)).toEqual(['r3']);
  });

  test('a fork waits for an event of its own', async () => {
    const { journal } = make();
    const { on } = clock();
    const w = waiter();
    const engine = engineOf(on(journal), w.a);
    const paused = await waits(engine.run(w.a, 'go'));
    const { seq } = await engine.inspect(paused.runId);
    await waits(engine.fork(paused.runId, { at: seq - 1, id: 'fork' }));
    await engine.signal(reply('one'), { by: ana });
    expect((await engine.sweep()).map(({ runId }) => runId)).toEqual([paused.runId]);
    await engine.signal(reply('two'), { by: ana });
    expect((await engine.sweep()).map(({ runId }) => runId)).toEqual(['fork']);
  });
});

const state = jsonSchema<{ log: string[]; ticket: string }>({
  type: 'object',
  properties: { log: { type: 'array', items: { type: 'string' } }, ticket: { type: 'string' } },
  required: ['log', 'ticket'],
  additionalProperties: false,
});

describe.each(journals)('a node that waits for an event on $name', ({ make }) => {
  const follow = (timeout?: () => { log: string[] }) =>
    graph({
      name: 'follow',
      state,
      reducers: { log: append },
      nodes: {
        reply: {
          event: 'reply',
          key: (s) => s.ticket,
          schema: mail,
          for: 3 * DAY,
          output: (m) => ({ log: [m.text] }),
          ...(timeout && { timeout }),
        },
        other: () => ({ log: ['other'] }),
      },
      edges: { start: ['reply', 'other'], reply: 'end', other: 'end' },
    });

  test('its branch waits while the others go on, and gets the data', async () => {
    const { journal, another } = make();
    const { on } = clock();
    const g = follow();
    const paused = await waits(new Engine({ journal: on(journal) }).run(g, { log: [], ticket: 't7' }));
    expect(paused.waiting).toMatchObject([{ name: 'reply', event: 'reply', key: 't7', until: START + 3 * DAY }]);
    const engine = new Engine({ journal: on(another()), agents: [g] });
    expect((await engine.inspect(paused.runId)).state).toMatchObject({ log: ['other'] });
    await engine.signal(reply('thanks', 'e1', 't7'), { by: ana });
    const [swept] = await engine.sweep();
    expect(await swept?.run).toMatchObject({ status: 'completed', output: { log: ['other', 'thanks'] } });
  });

  test('without an event in time, timeout gives the update; without one, the graph fails', async () => {
    const { journal } = make();
    const { time, on } = clock();
    for (const [g, end] of [
      [follow(() => ({ log: ['silence'] })), { status: 'completed', output: { log: ['other', 'silence'] } }],
      [follow(), { status: 'failed', error: { code: 'EVENT_TIMEOUT' } }],
    ] as const) {
      const engine = new Engine({ journal: on(journal) });
      const paused = await waits(engine.run(g, { log: [], ticket: 't7' }));
      time.now += 3 * DAY;
      expect(await engine.resume(paused.runId)).toMatchObject(end);
    }
  });

  test('a key that is none fails the graph, and an event that does not fit leaves it waiting', async () => {
    const { journal } = make();
    const { on } = clock();
    const engine = new Engine({ journal: on(journal) });
    expect(await engine.run(follow(), { log: [], ticket: '' })).toMatchObject({ status: 'failed', error: { code: 'WAIT_INVALID' } });
    await engine.signal({ event: 'reply', key: 't8', data: {}, id: 'bad' }, { by: ana });
    const paused = await waits(engine.run(follow(), { log: [], ticket: 't8' }));
    expect((await entriesOf(journal, paused.runId)).filter((e) => e.type === 'event.rejected')).toHaveLength(1);
    expect(await engine.events()).toMatchObject([{ id: 'bad', state: 'rejected' }]);
  });
});

describe.each(journals)('a session on $name', ({ make }) => {
  test('a run that only waits does not occupy it: the next one starts, and sees that it waits', async () => {
    const { journal, another } = make();
    const { time, on } = clock();
    const w = waiter();
    const engine = engineOf(on(journal), w.a);
    const o = { session: 's', by: ana };
    const first = await waits(engine.run(w.a, 'go', o));
    expect(await headOf(journal, first.runId)).toMatchObject({ aside: true });
    const { a: chat, model } = talking();
    await ends(engine.run(chat, 'hello', o), 'completed');
    expect(JSON.stringify(model.requests[0]?.messages)).toContain('waiting');
    time.now += HOUR;
    await engine.signal(reply('back'), { by: ana });
    const [swept] = await engineOf(on(another()), w.a).sweep();
    await ends(swept?.run as never, 'completed');
  });

  test('it goes on beside a run that has the session, and takes it again if it is free', async () => {
    const { journal } = make();
    const { on } = clock();
    const w = waiter();
    const engine = engineOf(on(journal), w.a);
    const o = { session: 's', by: ana };
    const first = await waits(engine.run(w.a, 'go', o));
    const human = talking(true);
    const second = await ends(engine.run(human.a, 'hello', o), 'paused');
    await refused('SESSION_BUSY', engine.run(w.a, 'again', o));
    await engine.signal(reply('back'), { by: ana });
    await ends(engine.resume(first.runId), 'completed');
    expect((await entriesOf(journal, first.runId)).find((e) => e.type === 'run.claimed')).toMatchObject({ aside: true });
    await engine.cancel(second.runId);
    const third = await waits(engine.run(w.a, 'again', o));
    await engine.signal(reply('again'), { by: ana });
    await ends(engine.resume(third.runId), 'completed');
    expect((await entriesOf(journal, third.runId)).find((e) => e.type === 'run.claimed')).not.toHaveProperty('aside');
  });
});

/** An agent that answers, or asks a person first. */
function talking(asking = false) {
  const model = scripted(asking ? [asks(['ask_human', { question: 'Well?' }]), 'hi'] : ['hi']);
  const tools = asking ? [askHuman()] : [];
  return { a: agent({ name: 'talk', instructions: '', model, tools }), model };
}

describe('bad input', () => {
  test.each<[string, object]>([
    ['no event', { key: 'k' }],
    ['no key', { event: 'e' }],
    ['an empty key', { event: 'e', key: '' }],
    ['a huge key', { event: 'e', key: 'k'.repeat(513) }],
    ['data that is not JSON', { event: 'e', key: 'k', data: () => 1 }],
    ['data that is too large', { event: 'e', key: 'k', data: 'x'.repeat(1_000_001) }],
    ['an empty id', { event: 'e', key: 'k', id: '' }],
    ['another field', { event: 'e', key: 'k', by: 'ana' }],
    ['a delivery that is none', { event: 'e', key: 'k', deliver: 'some' }],
  ])('an event with %s is refused', async (_, event) => {
    await refused('CONFIG_INVALID', new Engine().signal(event as never, { by: ana }));
  });

  test('an event without a sender is refused', async () => {
    await refused('NOT_PERMITTED', new Engine().signal(reply('x'), {} as never));
    await refused('NOT_PERMITTED', new Engine().signal(reply('x'), undefined as never));
  });

  test('a tool or a node that cannot wait is refused where it is declared', async () => {
    const good = { name: 'w', event: 'e', key: 'k', schema: anything, for: DAY };
    for (const bad of [{ event: '' }, { key: 5 }, { schema: undefined }, { for: 0 }, { for: Number.POSITIVE_INFINITY }, { until: 1 }])
      await refused('CONFIG_INVALID', () => waitForEvent({ ...good, ...bad } as never));
    const node = { event: 'e', key: () => 'k', schema: mail, for: DAY, output: () => ({}) };
    for (const bad of [{ event: '' }, { key: 'k' }, { schema: undefined }, { for: -1 }, { output: undefined }, { timeout: 5 }, { x: 1 }])
      await refused('CONFIG_INVALID', () =>
        graph({ name: 'g', state, nodes: { n: { ...node, ...bad } as never }, edges: { start: 'n', n: 'end' } }),
      );
  });

  test('with a store that keeps no events, the call is refused and the sender is told', async () => {
    const w = waiter();
    const { inbox: _, ...bare } = around(memoryJournal(), {});
    const engine = engineOf(bare as Journal, w.a);
    await ends(engine.run(w.a, 'go'), 'completed');
    expect(failure(told(w) as never)).toMatchObject({ code: 'CONFIG_INVALID', outcome: 'not-run' });
    await refused('CONFIG_INVALID', engine.signal(reply('x'), { by: ana }));
    expect(await engine.events()).toEqual([]);
  });
});
