/** What learning from a turn costs the turn: its extraction is asked for after it, by a model that takes a second. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { facts, type MemoryStore, remember, type SqliteMemoryOptions, sqliteMemory } from '../../src/adapters/memory/index.ts';
import { agent, Engine, type Memory, type Model } from '../../src/index.ts';
import { type Contender, interleave, type Sample, spread } from '../harness.ts';
import type { Scenario } from '../result.ts';

/** Milliseconds that the model of the extraction takes for one event. */
const LEARNING = 1_000;
/** Turns of one sample, each a session of its own. */
const TURNS = 5;
/** Most share of the extraction's time that a turn may be longer: it is 0, and the rest is noise. */
const LIMIT = 0.02;
const ANA = { id: 'ana' };

const NONE = 'without a memory';
const KEPT = 'what was said is kept';
const LEARNED = 'and learned from, by a model that takes a second';

export const learning: Scenario = async ({ quick }) => {
  const contenders: Contender[] = [
    { name: NONE, prepare: () => sample(undefined) },
    { name: KEPT, prepare: () => sample({}) },
    { name: LEARNED, prepare: () => sample({ strategies: [facts()], model: slow() }) },
  ];
  const times = await interleave(contenders, quick ? { rounds: 2, warmUp: 1 } : { rounds: 30, warmUp: 3 });
  const ms = (name: string) => (times.get(name) ?? []).map((us) => us / 1_000);
  const kept = ms(KEPT);
  const share = ms(LEARNED).map((time, round) => (time - (kept[round] ?? 0)) / LEARNING);
  return {
    tables: [
      {
        title: 'A turn of an agent with a memory, from run() to its result',
        unit: 'ms',
        columns: ['a turn'],
        rows: contenders.map(({ name }) => ({ name, cells: [spread(ms(name))] })),
        notes: [
          `The agent's model answers at once, and the memory is a SQLite file. The extraction of each turn takes ${LEARNING} ms, after it; the turns follow each other at once, so extractions are under way during each but the first.`,
        ],
      },
    ],
    targets: [
      {
        name: "extraction's share in the way of a conversation",
        measured: spread(share),
        unit: 'of its time',
        limit: LIMIT,
        basis: 'it is 0 but for noise',
      },
    ],
  };
};

const slow = (): Model => ({
  provider: 'bench',
  id: 'slow',
  async generate(_, { signal }) {
    await sleep(LEARNING, undefined, { signal });
    return { content: [{ type: 'text', text: '{"items":[]}' }], stop: 'end' };
  },
});
const instant: Model = {
  provider: 'bench',
  id: 'instant',
  generate: async () => ({ content: [{ type: 'text', text: 'Noted.' }], stop: 'end' }),
};

/** @param o of the memory's file. Undefined: no memory */
function sample(o: SqliteMemoryOptions | undefined): Sample {
  const folder = mkdtempSync(join(tmpdir(), 'rondo-learning-'));
  const store: MemoryStore | undefined = o && sqliteMemory(join(folder, 'memory.db'), o);
  const memory: Memory | undefined = store && remember(store);
  const clerk = agent({ name: 'clerk', instructions: 'Take notes.', model: instant });
  const engine = new Engine({ agents: [clerk], ...(memory && { memory }) });
  return {
    units: TURNS,
    async run() {
      for (let turn = 0; turn < TURNS; turn++) {
        const { status } = await engine.run(clerk, `I like tea number ${turn}.`, { by: ANA, session: `s${turn}` });
        if (status !== 'completed') throw new Error(`a turn is ${status}`);
      }
    },
    async finish() {
      await engine.close();
      if (store && (await store.sessions({ actor: 'u-ana' })).items.length !== TURNS) throw new Error('a turn was not recorded');
      await store?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
