/** Events per second on SQLite: from `engine.signal()` to the end of the run that waited for it, driven by `engine.work()`. */
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { agent, Engine, type Model, waitForEvent } from '../../src/index.ts';
import { scratch } from '../contenders.ts';
import { type Contender, interleave, spread, timesOf } from '../harness.ts';
import type { Scenario } from '../result.ts';
import { input } from '../workload.ts';

const KEPT = 'kept, because no run waits';
const TOGETHER = 'to the end of a run, all at a time';
const EACH = 'to the end of a run, one after another';

const BY = { id: 'sender' };
const REPLY = 'reply';

const model: Model = {
  provider: 'bench',
  id: 'waiter',
  generate: async ({ messages: [question, ...more] }) => {
    const [text] = question?.content ?? [];
    if (more.length > 0 || text?.type !== 'text') return { content: [{ type: 'text', text: 'Thank you.' }], stop: 'end' };
    const asked = { type: 'toolCall', id: 'call', name: 'reply', input: { id: 0, note: text.text } } as const;
    return { content: [asked], stop: 'tools' };
  },
};
const reply = waitForEvent({ name: 'reply', event: REPLY, input, key: ({ note }) => note, schema: input, for: 86_400_000 });
const waiter = agent({ name: 'waiter', instructions: 'Wait for the reply.', model, tools: [reply] });

export const events: Scenario = async ({ quick }) => {
  const runs = quick ? 20 : 100;
  const send = (engine: Engine, i: number) =>
    engine.signal({ event: REPLY, key: `ticket ${i}`, data: { id: i, note: 'It works again.' } }, { by: BY });
  const contenders = [
    signalled(KEPT, runs, false, async (engine) => {
      for (let i = 0; i < runs; i++) await send(engine, i);
    }),
    signalled(TOGETHER, runs, true, async (engine) => {
      const all = driving(engine).after(runs);
      await Promise.all(Array.from({ length: runs }, (_, i) => send(engine, i)));
      await all;
    }),
    signalled(EACH, runs, true, async (engine) => {
      const driven = driving(engine);
      for (let i = 0; i < runs; i++) {
        const next = driven.after(i + 1);
        await send(engine, i);
        await next;
      }
    }),
  ];
  const times = await interleave(contenders, quick ? { rounds: 1, warmUp: 1 } : { rounds: 15, warmUp: 3, longest: 60_000 });
  return {
    tables: [
      {
        title: `Events for ${runs} runs, on SQLite`,
        unit: 'from signal()',
        columns: ['events/s', 'µs per event'],
        rows: contenders.map(({ name }) => {
          const us = timesOf(times, name);
          return { name, cells: [spread(us.map((each) => 1_000_000 / each)), spread(us)] };
        }),
        notes: ['Each event is taken by one paused run, which is read, claimed, and ends with one model call.'],
      },
    ],
    targets: [],
  };
};

/** Drives what is due, and tells when so many runs have ended. */
function driving(engine: Engine) {
  let ended = 0;
  let wanted = 0;
  let reached = () => {};
  engine.work({ onRun: ({ run }) => void run.then(() => ++ended === wanted && reached()) });
  return {
    after: (runs: number) =>
      new Promise<void>((resolve) => {
        wanted = runs;
        reached = resolve;
      }),
  };
}

/** @param waits whether a run waits for each event, and must have ended. */
function signalled(name: string, runs: number, waits: boolean, run: (engine: Engine) => Promise<void>): Contender {
  return {
    name,
    async prepare() {
      const files = scratch();
      const engine = new Engine({ journal: sqliteJournal(files.path('events.db')), agents: [waiter] });
      const asked = Array.from({ length: waits ? runs : 0 }, (_, i) => engine.run(waiter, `ticket ${i}`, { by: BY }));
      for (const { status } of await Promise.all(asked)) if (status !== 'paused') throw new Error(`a run that was to wait is ${status}`);
      return {
        units: runs,
        run: () => run(engine),
        async finish() {
          let done = 0;
          for await (const _ of engine.runs({ by: BY, status: 'completed' })) done++;
          const kept = (await engine.events({ by: BY, limit: 1_000 })).length;
          if (done !== (waits ? runs : 0) || kept !== (waits ? 0 : runs))
            throw new Error(`${name}: ${done} runs ended and ${kept} events were kept, of ${runs}`);
          await engine.close();
          files.remove();
        },
      };
    },
  };
}
