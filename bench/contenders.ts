/** The loops as contenders: each sample is a number of runs one after another, on its own warm store. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sqliteJournal } from '../src/adapters/journal/sqlite.ts';
import { type Agent, agent, type Effect, Engine, type EngineOptions, type Journal, type Model, memoryJournal, tool } from '../src/index.ts';
import { describe } from '../src/schema.ts';
import { type BareLoop, bareRun, bareSqliteRun, bareStore } from './bare.ts';
import type { Contender, Sample } from './harness.ts';
import { INSTRUCTIONS, input, instantModel, lookupBody, PRICES, QUESTION, type Size } from './workload.ts';

const DESCRIPTION = 'Looks something up';

/** Counts the tool's calls, so that a sample that skipped its work is detected. */
export function counted(size: Size) {
  const body = lookupBody(size);
  const calls = { made: 0 };
  const execute: typeof body = (value) => {
    calls.made++;
    return body(value);
  };
  return { execute, calls };
}

export const bareLoop = (model: Model, execute: BareLoop['execute']): BareLoop => ({
  model,
  execute,
  tools: [{ name: 'lookup', description: DESCRIPTION, input: describe(input, 'lookup') }],
});

/** The default envelope is on: a timeout, retries and a circuit breaker for each tool and model call. */
/** @param keyed each call has a key of its own. */
export function lookupAgent(model: Model, effect: Effect, execute: BareLoop['execute'], keyed = false): Agent {
  let keys = 0;
  const lookup = tool({ name: 'lookup', description: DESCRIPTION, input, effect, execute, ...(keyed && { key: () => `call:${keys++}` }) });
  return agent({ name: 'bench', instructions: INSTRUCTIONS, model, tools: [lookup] });
}

/** @param o.listen all of the run's events are read. */
export async function rondoRun(engine: Engine, a: Agent, o: { listen: boolean }): Promise<number> {
  const run = engine.run(a, QUESTION);
  if (o.listen) for await (const _ of run);
  const result = await run;
  if (result.status !== 'completed') throw new Error(`a run did not complete: ${JSON.stringify(result)}`);
  return result.steps - 1;
}

export const newEngine = (journal: Journal, o: EngineOptions = {}) =>
  new Engine({ journal, prices: PRICES, limits: { steps: 1_000_000 }, ...o });

const folders = new Set<string>();
const remove = (folder: string) => rmSync(folder, { recursive: true, force: true });
// also if a sample failed, or its parent ended
process.once('exit', () => folders.forEach(remove));

/** A folder for one sample's files, on the disk of the system's temporary files. */
export function scratch(): { path(name: string): string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'rondo-bench-'));
  folders.add(folder);
  return {
    path: (name) => join(folder, name),
    remove() {
      remove(folder);
      folders.delete(folder);
    },
  };
}

export interface Shape {
  turns: number;
  /** Of one sample, one after another. */
  runs: number;
}

/** Does one run, and counts the calls of its tool. */
interface Loop {
  once(): Promise<number>;
  readonly calls: { made: number };
  close?(): void | Promise<void>;
}

/** A contender that writes a file, and leaves it behind. */
export type FileLoop = Required<Loop>;

function sample({ turns, runs }: Shape, { once, calls }: Loop, close?: () => unknown): Sample {
  calls.made = 0;
  return {
    units: turns * runs,
    async run() {
      for (let i = 0; i < runs; i++) await once();
    },
    async finish() {
      await close?.();
      if (calls.made !== turns * runs) throw new Error(`${calls.made} tool calls were made, not ${turns * runs}`);
    },
  };
}

/** Creates a new one for each sample, warmed by one run, so that a sample's leftovers in memory do not affect the next. */
export const afresh = (name: string, shape: Shape, open: () => Loop): Contender => ({
  name,
  async prepare() {
    const loop = open();
    await loop.once();
    return sample(shape, loop, loop.close);
  },
});

/** Keeps one for all samples: the log of a file in use no longer grows, and the file has reached its full speed. */
function lasting(name: string, shape: Shape, open: () => Loop): Contender {
  let loop: Loop | undefined;
  return {
    name,
    prepare() {
      loop ??= open();
      return sample(shape, loop);
    },
    close: () => loop?.close?.(),
  };
}

export const bare = (name: string, shape: Shape): Contender =>
  afresh(name, shape, () => {
    const { execute, calls } = counted('small');
    const loop = bareLoop(instantModel(shape.turns), execute);
    return { calls, once: () => bareRun(loop) };
  });

/** @param keyed each call has a key of its own. */
export const bareSqlite = (name: string, shape: Shape, effect: Effect, keyed = false): Contender =>
  lasting(name, shape, () => inScratch((path) => bareSqliteLoop(path, shape.turns, effect, keyed)));

export function bareSqliteLoop(path: string, turns: number, effect: Effect, keyed = false): FileLoop {
  const { execute, calls } = counted('1 KB');
  const loop = bareLoop(instantModel(turns), execute);
  const store = bareStore(path);
  let runs = 0;
  let keys = 0;
  const key = keyed ? () => `call:${keys++}` : undefined;
  return {
    calls,
    once() {
      runs++;
      return bareSqliteRun(loop, store, effect, key);
    },
    close() {
      const rows = store.rows();
      store.close();
      if (rows !== 2 * turns * runs) throw new Error(`the bare loop wrote ${rows} rows in ${runs} runs of ${turns} turns`);
    },
  };
}

interface Told extends EngineOptions {
  effect: Effect;
  /** Whether the events are read. */
  listen: boolean;
  /** Whether each call has a key of its own. */
  keyed?: boolean;
}

export const rondo = (name: string, shape: Shape, { effect, listen, ...options }: Told): Contender =>
  afresh(name, shape, () => {
    const { execute, calls } = counted('small');
    const engine = newEngine(memoryJournal(), options);
    const a = lookupAgent(instantModel(shape.turns), effect, execute);
    return { calls, once: () => rondoRun(engine, a, { listen }), close: () => engine.close() };
  });

export const rondoSqlite = (name: string, shape: Shape, told: Told): Contender =>
  lasting(name, shape, () => inScratch((path) => rondoSqliteLoop(path, shape.turns, told)));

export function rondoSqliteLoop(path: string, turns: number, { effect, listen, keyed, ...options }: Told): FileLoop {
  const { execute, calls } = counted('1 KB');
  const engine = newEngine(sqliteJournal(path), options);
  const a = lookupAgent(instantModel(turns), effect, execute, keyed);
  // closing an engine closes its journal
  return { calls, once: () => rondoRun(engine, a, { listen }), close: () => engine.close() };
}

function inScratch(open: (path: string) => FileLoop): FileLoop {
  const files = scratch();
  const loop = open(files.path('bench.db'));
  return {
    ...loop,
    async close() {
      await loop.close();
      files.remove();
    },
  };
}
