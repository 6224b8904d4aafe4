/** What is forgotten is forgotten by the memories too, and what they cannot forget is told. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  type Agent,
  agent,
  Engine,
  type ForgetRequest,
  type Forgotten,
  type Journal,
  type Memory,
  type Model,
  type RondoError,
  tool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, headOf, journals } from '../kit/journals.ts';
import { ends, nothing, refused } from '../kit/runs.ts';
import { deferred, hurried, settle, until } from '../kit/time.ts';
import { listening, wordMemory } from './kit.ts';

const ana = { id: 'ana', tenant: 'acme' };
const ben = { id: 'ben', tenant: 'acme' };
const clerk = (memory?: Memory, name = 'clerk') =>
  agent({ name, instructions: '', model: scripted(Array.from({ length: 9 }, () => 'Noted.')), ...(memory && { memory }) });

describe.each(journals)('on $name', ({ make }) => {
  /** Ana's two sessions, and Ben's one of the same name, all recorded. */
  async function told(memory: Memory) {
    const { journal } = make();
    const engine = new Engine({ journal, memory });
    const who = clerk();
    const say = async (by: typeof ana, session: string, text: string) => {
      const run = engine.run(who, text, { by, session });
      await ends(run, 'completed');
      await until(async () => (await entriesOf(journal, run.id)).some((e) => e.type === 'memory.recorded'));
      return run.id;
    };
    const runs = [
      await say(ana, 's', 'my drink is rooibos'),
      await say(ana, 't', 'my drink was cocoa'),
      await say(ben, 's', 'my drink is water'),
    ];
    return { engine, journal, runs: runs as [string, string, string] };
  }

  test('a session is forgotten by the memory with its runs, and nothing else is', async () => {
    const memory = wordMemory();
    const { engine, runs } = await told(memory);
    // the run after it had recalled what it said
    expect(await engine.forget({ session: 's', by: ana })).toEqual({ runs: [runs[0]], rewritten: [runs[1]] });
    expect(memory.kept.map((k) => k.fact.text)).toEqual(['my drink was cocoa', 'my drink is water']);
  });

  test('a principal is forgotten by every memory of the engine and its agents, also where no run is left', async () => {
    const memory = wordMemory();
    const { engine, runs } = await told(memory);
    const asked: Omit<ForgetRequest, 'signal'>[] = [];
    const own: Memory = { ...listening().memory, forget: async ({ signal: _, ...q }) => void asked.push(q) };
    engine.register(clerk(own, 'other'));
    expect((await engine.forget({ by: ana })).runs.toSorted()).toEqual([runs[0], runs[1]].toSorted());
    expect(memory.kept.map((k) => k.fact.text)).toEqual(['my drink is water']);
    expect(asked).toEqual([{ by: ana }]);
    await engine.forget({ by: { id: 'carl' } });
    expect(asked.at(-1)).toEqual({ by: { id: 'carl' } });
  });

  test('a single run is not forgotten by a memory, and that is reported', async () => {
    const memory = wordMemory();
    const { engine, runs } = await told(memory);
    expect(await engine.forget(runs[0], { by: ana })).toEqual({ runs: [runs[0]], rewritten: [], remembered: [runs[0]] });
    expect(memory.kept).toHaveLength(3);
  });

  test('runs that a memory without forget may still know are reported', async () => {
    const { engine, journal, runs } = await told(listening().memory);
    expect(await engine.forget({ session: 's', by: ana })).toEqual({ runs: [runs[0]], rewritten: [], remembered: [runs[0]] });
    expect(await headOf(journal, runs[0])).toBeUndefined();
  });

  test('a conversation whose next attempt is planned here is not forgotten while another process makes one', async () => {
    const { journal } = make();
    const memory: Memory = { ...wordMemory(), record: () => Promise.reject(new Error('down')) };
    const engine = new Engine({ journal, memory });
    const run = engine.run(clerk(), 'my drink is rooibos', { by: ana, session: 's' });
    await ends(run, 'completed');
    await until(async () => (await entriesOf(journal, run.id)).some((e) => e.type === 'memory.recorded'));
    await until(() => journal.renew(run.id, 'another process', Date.now() + 60_000));
    await refused('RUN_BUSY', engine.forget({ session: 's', by: ana }));
    expect((await entriesOf(journal, run.id)).length).toBeGreaterThan(0);
  });

  test('if the memory fails nothing is forgotten, and a repeated call completes it', async () => {
    const memory = wordMemory();
    const { forget } = memory;
    const { engine, journal, runs } = await told(memory);
    memory.forget = () => Promise.reject(new Error('postgres://user:hunter2@db is down'));
    const error = await refused('MEMORY_UNAVAILABLE', engine.forget({ session: 's', by: ana }));
    expect(error.message).not.toContain('hunter2');
    expect(await headOf(journal, runs[0])).toBeDefined();
    memory.forget = forget;
    expect(await engine.forget({ session: 's', by: ana })).toEqual({ runs: [runs[0]], rewritten: [runs[1]] });
    expect(memory.kept).toHaveLength(2);
  });

  /** A run whose memory waits in `record` until `go`, and has begun to. `obeys`: it ends when its signal is aborted. */
  async function recordingNow(o: { obeys?: boolean; session?: string } = {}) {
    const { journal } = make();
    const go = deferred();
    const words = wordMemory();
    const begun = deferred();
    const memory: Memory = {
      ...words,
      async record(e) {
        begun.resolve();
        await go.promise;
        if (o.obeys) e.signal.throwIfAborted();
        await words.record(e);
      },
    };
    const engine = new Engine({ journal, memory });
    const run = engine.run(clerk(), 'my drink is rooibos', { by: ana, session: 's' });
    await ends(run, 'completed');
    await begun.promise;
    return { engine, journal, go, words, id: run.id };
  }

  test.each([{ by: ana }, { session: 's', by: ana }])(
    'what a memory writes while it is told to stop is forgotten too: %j',
    async (what) => {
      const { engine, journal, go, words, id } = await recordingNow();
      const forgotten = engine.forget(what);
      await settle();
      go.resolve();
      expect(await forgotten).toEqual({ runs: [id], rewritten: [] });
      await settle();
      expect(words.kept).toEqual([]);
      await engine.sweep();
      expect(await entriesOf(journal, id)).toEqual([]);
    },
  );

  test('a memory that stops when it is told to has nothing to forget', async () => {
    const { engine, go, words, id } = await recordingNow({ obeys: true });
    const forgotten = engine.forget({ by: ana });
    await settle();
    go.resolve();
    expect((await forgotten).runs).toEqual([id]);
    expect(words.kept).toEqual([]);
  });

  test('nothing is forgotten while a memory does not stop, and a repeated call completes it', async () => {
    const { engine, journal, go, words, id } = await recordingNow();
    let error: RondoError | undefined;
    await hurried(async () => {
      error = await refused('RUN_BUSY', engine.forget({ session: 's', by: ana }));
    });
    expect(error?.details).toEqual({ runId: id });
    expect(await headOf(journal, id)).toBeDefined();
    go.resolve();
    expect(await engine.forget({ session: 's', by: ana })).toEqual({ runs: [id], rewritten: [] });
    await settle();
    expect(words.kept).toEqual([]);
  });

  test('a memory that does not stop after its time does not keep a person from being forgotten, and that it may write is reported', async () => {
    const { engine, journal, go, id } = await recordingNow();
    // what the memory wrote of a run that was pruned is of its principal all the same
    await engine.prune({ olderThan: 0 });
    const later = performance.now() + 300_001;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => later);
    onTestFinished(() => clock.mockRestore());
    let forgotten: Forgotten | undefined;
    await hurried(async () => {
      forgotten = await engine.forget({ by: ana });
    });
    expect(forgotten).toEqual({ runs: [], rewritten: [], remembered: [id] });
    expect(await headOf(journal, id)).toBeUndefined();
    go.resolve();
  });

  test('a run that another process records now is not forgotten yet', async () => {
    const { journal, another } = make();
    const go = deferred();
    const { memory, attempts } = listening(() => go.promise);
    const run = new Engine({ journal, memory }).run(clerk(), 'hi', { by: ana, session: 's' });
    await ends(run, 'completed');
    await until(() => attempts() === 1);
    const other = new Engine({ journal: another(), memory: listening().memory });
    await refused('RUN_BUSY', other.forget({ session: 's', by: ana }));
    go.resolve();
    await until(async () => (await entriesOf(journal, run.id)).some((e) => e.type === 'memory.recorded'));
    expect((await other.forget({ session: 's', by: ana })).runs).toEqual([run.id]);
  });

  describe('a fact that was learned from a forgotten session', () => {
    const heard = async (journal: Journal, id: string) => JSON.stringify(await entriesOf(journal, id));
    /** A run of another session, to which the memory said what Ana had said in `s` and in `t`. */
    async function recalled(who: Agent = clerk()) {
      const { engine, journal, runs } = await told(wordMemory());
      const run = engine.run(who, 'my drink, please', { by: ana, session: 'u' });
      const { status } = await run;
      return { engine, journal, runs, later: run.id, status };
    }

    test('goes from the journals of the runs that recalled it, and from their forks; others stay', async () => {
      const { engine, journal, runs, later } = await recalled();
      expect(await heard(journal, later)).toContain('rooibos');
      const copy = (await ends(engine.fork(later, { at: 1, by: ana, agent: clerk() }), 'completed')).runId;
      expect(await heard(journal, copy)).toContain('rooibos');
      const forgotten = await engine.forget({ session: 's', by: ana });
      expect({ ...forgotten, rewritten: forgotten.rewritten.toSorted() }).toEqual({
        runs: [runs[0]],
        rewritten: [runs[1], later, copy].toSorted(),
      });
      for (const id of [later, copy]) {
        expect(await heard(journal, id)).not.toContain('rooibos');
        expect(await heard(journal, id)).toContain('cocoa');
      }
    });

    test('of another principal, or another session, stays', async () => {
      const { engine, journal, later } = await recalled();
      await engine.forget({ session: 's', by: ben });
      await engine.forget({ session: 'v', by: ana });
      expect(await heard(journal, later)).toContain('rooibos');
    });

    test('goes from a run that waits for a person, which does not ask the memory again', async () => {
      const sell = tool({ name: 'sell', description: '', input: nothing, approval: true, execute: () => 'sold' });
      const model = scripted([{ toolCalls: [{ name: 'sell', input: {} }] }, 'Sold.']);
      const asking = agent({ name: 'seller', instructions: '', model, tools: [sell] });
      const { engine, journal, later, status } = await recalled(asking);
      expect(status).toBe('paused');
      expect(model.requests[0]?.instructions).toContain('rooibos');
      expect((await engine.forget({ session: 's', by: ana })).rewritten).toContain(later);
      const [approval] = (await entriesOf(journal, later)).filter((e) => e.type === 'approval.requested');
      const decided = engine.decide(later, [{ type: 'approve', approval: approval?.id as string }], { by: ana, resume: true });
      await ends(decided, 'completed');
      expect(model.requests[1]?.instructions).toContain('cocoa');
      expect(model.requests[1]?.instructions).not.toContain('rooibos');
      expect(await heard(journal, later)).not.toContain('rooibos');
    });

    test('is not forgotten while a run that recalled it goes on', async () => {
      const { engine, journal, runs } = await told(wordMemory());
      const [begun, go] = [deferred(), deferred()];
      const model = scripted(['Noted.']);
      const slow: Model = {
        ...model,
        async generate(request, call) {
          begun.resolve();
          await go.promise;
          return model.generate(request, call);
        },
      };
      const run = engine.run(agent({ name: 'slow', instructions: '', model: slow }), 'my drink, please', { by: ana, session: 'u' });
      await begun.promise;
      expect((await refused('RUN_BUSY', engine.forget({ session: 's', by: ana }))).details).toEqual({ runId: run.id });
      go.resolve();
      await run;
      expect((await engine.forget({ session: 's', by: ana })).rewritten).toContain(run.id);
      expect(await heard(journal, run.id)).not.toContain('rooibos');
      expect(await headOf(journal, runs[0])).toBeUndefined();
    });
  });

  test('pruning takes journals away and leaves the memory alone', async () => {
    const memory = wordMemory();
    const { engine } = await told(memory);
    expect((await engine.prune({ olderThan: 0 })).runs).toHaveLength(3);
    expect(memory.kept).toHaveLength(3);
  });
});
