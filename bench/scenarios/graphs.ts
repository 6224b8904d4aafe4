/** What a node of a graph costs, and a delegation: Rondo beside LangGraph, and what a graph leaves on disk. */
import { statSync } from 'node:fs';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { type Engine, memoryJournal } from '../../src/index.ts';
import { newEngine, scratch } from '../contenders.ts';
import { type Contender, interleave, ratio, spread, type Times, timesOf } from '../harness.ts';
import * as peers from '../peers.ts';
import { exactly, type Scenario, type Settings, type Table, type Target } from '../result.ts';
import { FLAT_TIMES, PEER_TIMES } from '../targets.ts';
import * as trees from '../trees.ts';

const CHAIN = 200;
const FAN = 1_000;
const MAP = 10_000;
const DELEGATIONS = 10;

const RONDO = 'Rondo in memory';
const SQLITE = 'Rondo on SQLite';
const LANGGRAPH = 'LangGraph, nothing kept';
const SAVED = 'LangGraph, MemorySaver';

interface Job {
  readonly name: string;
  readonly units: number;
  readonly runs: { rondo: number; peer: number };
  rondo(engine: Engine): () => Promise<unknown>;
  peer(o: { saver: boolean }): () => Promise<unknown>;
}

const JOBS: readonly Job[] = [
  {
    name: `a chain of ${CHAIN} nodes`,
    units: CHAIN,
    runs: { rondo: 10, peer: 1 },
    rondo: (engine) => exact(CHAIN, trees.chain(engine)),
    peer: (o) => exact(CHAIN, peers.chain(o)),
  },
  {
    name: `a fan-out of ${FAN} nodes`,
    units: FAN,
    runs: { rondo: 5, peer: 1 },
    rondo: (engine) => exact(FAN, trees.fan(engine)),
    peer: (o) => exact(FAN, peers.fan(o)),
  },
  {
    name: `${DELEGATIONS} delegations`,
    units: DELEGATIONS,
    runs: { rondo: 20, peer: 2 },
    rondo: (engine) => trees.delegate(engine, trees.delegating(DELEGATIONS)),
    peer: (o) => exact(DELEGATIONS, peers.supervisor(o)),
  },
];

/** Detects a contender that skipped its work. */
const exact = (units: number, job: (units: number) => Promise<number>) => async () => {
  const done = await job(units);
  if (done !== units) throw new Error(`${done} of ${units} were done`);
};

const at = (contender: string, job: string) => `${contender}: ${job}`;

export const graphs: Scenario = async (settings) => {
  const times = await interleave(
    JOBS.flatMap(contenders),
    settings.quick ? { rounds: 1, warmUp: 1 } : { rounds: 9, warmUp: 2, longest: 90_000 },
  );
  const mapped = await mapping(settings);
  const kept = await onDisk(settings);
  return {
    tables: [perUnit(times), timesAsMuch(times), mapped.table, kept.table],
    targets: [
      ...JOBS.map(
        ({ name }): Target => ({
          name: `${name}, in memory: LangGraph that keeps nothing takes`,
          measured: ratio(times, at(LANGGRAPH, name), at(RONDO, name)),
          unit: 'x',
          limit: PEER_TIMES,
          atLeast: true,
        }),
      ),
      mapped.target,
      kept.target,
    ],
  };
};

function contenders({ name, units, runs, rondo, peer }: Job): Contender[] {
  const sample = (times: number, job: () => Promise<unknown>, close?: () => unknown) => ({
    units: units * times,
    async run() {
      for (let i = 0; i < times; i++) await job();
    },
    async finish() {
      await close?.();
    },
  });
  const ours = (contender: string, open: () => { engine: Engine; close(): unknown }): Contender => ({
    name: at(contender, name),
    async prepare() {
      const { engine, close } = open();
      const job = rondo(engine);
      await job();
      return sample(runs.rondo, job, close);
    },
  });
  return [
    ours(RONDO, inMemory),
    ours(SQLITE, onFile),
    ...[false, true].map((saver): Contender => {
      const job = peer({ saver });
      return { name: at(saver ? SAVED : LANGGRAPH, name), prepare: () => sample(runs.peer, job) };
    }),
  ];
}

function inMemory() {
  const engine = newEngine(memoryJournal());
  return { engine, close: () => engine.close() };
}

function onFile() {
  const files = scratch();
  const path = files.path('bench.db');
  const engine = newEngine(sqliteJournal(path));
  return {
    engine,
    path,
    async close() {
      await engine.close();
      files.remove();
    },
  };
}

const ALL = [RONDO, SQLITE, LANGGRAPH, SAVED];

const perUnit = (times: Times): Table => ({
  title: 'Graphs and supervisors',
  unit: 'µs per node, or per delegation',
  columns: JOBS.map(({ name }) => name),
  rows: ALL.map((contender) => ({ name: contender, cells: JOBS.map(({ name }) => spread(timesOf(times, at(contender, name)))) })),
  notes: [
    'Nodes are functions that return at once. A delegation is an answer of the supervisor, one of its agent, and what is between them; models answer at once.',
    'LangGraph is @langchain/langgraph, its supervisor @langchain/langgraph-supervisor with agents of createReactAgent. Its MemorySaver keeps every step in memory, as the memory journal does.',
  ],
});

const timesAsMuch = (times: Times): Table => ({
  title: 'Graphs and supervisors: how many times as long LangGraph takes',
  unit: 'times',
  columns: JOBS.map(({ name }) => name),
  rows: [
    [LANGGRAPH, RONDO],
    [SAVED, RONDO],
    [SAVED, SQLITE],
  ].map(([theirs, ours]) => ({
    name: `${theirs} : ${ours}`,
    cells: JOBS.map(({ name }) => ratio(times, at(theirs as string, name), at(ours as string, name))),
  })),
});

/** LangGraph takes most of a minute for such a map, so it is measured on the smaller one only. */
async function mapping({ quick }: Settings): Promise<{ table: Table; target: Target }> {
  const sizes = quick ? [100, 1_000] : [1_000, MAP];
  const contender = (items: number): Contender => ({
    name: String(items),
    async prepare() {
      const { engine, close } = inMemory();
      const job = exact(items, trees.fan(engine));
      await job();
      return { units: items, run: () => job(), finish: async () => void (await close()) };
    },
  });
  const times = await interleave(sizes.map(contender), quick ? { rounds: 1, warmUp: 1 } : { rounds: 9, warmUp: 2, longest: 30_000 });
  const [small, large] = sizes.map(String) as [string, string];
  const growth = ratio(times, large, small);
  return {
    table: {
      title: 'A map over a list, in memory',
      unit: 'µs per item',
      columns: sizes.map((n) => `${n} items`),
      rows: [{ name: RONDO, cells: sizes.map((n) => spread(timesOf(times, String(n)))) }],
      notes: [
        'Each result is appended to a list in the state. Every node sees its own version of the state, so the list is copied for each item.',
      ],
    },
    target: {
      name: `a map: growth from ${small} to ${large} items`,
      measured: growth,
      unit: 'x',
      limit: GROWTH_OF_MAP,
      why: 'the list of results is copied for each item, because nodes that run beside it may still hold it',
    },
  };
}

/** The most that an item may slow down in a map of ten times the items. */
const GROWTH_OF_MAP = 2.5;

async function onDisk({ quick }: Settings): Promise<{ table: Table; target: Target }> {
  const sizes = quick ? [10, 20, 40] : [50, 100, 200];
  const ours: number[] = [];
  const theirs: number[] = [];
  for (const steps of sizes) {
    ours.push(await fileOf(steps));
    theirs.push(await peers.bytesOfSteps(steps));
  }
  const per = (all: readonly number[]) => all.map((bytes, i) => exactly(bytes / (sizes[i] as number)));
  const growth = (ours.at(-1) as number) / (sizes.at(-1) as number) / ((ours[0] as number) / (sizes[0] as number));
  return {
    table: {
      title: 'What a graph keeps, each of whose steps adds a line of about 100 bytes to its state',
      unit: 'bytes per step',
      columns: sizes.map((n) => `${n} steps`),
      rows: [
        { name: 'Rondo on SQLite, on disk', cells: per(ours) },
        { name: 'LangGraph, in its MemorySaver', cells: per(theirs) },
      ],
      notes: ['Rondo: by how much the file grew, over 20 runs. LangGraph: the serialised checkpoints and writes of one run.'],
    },
    target: { name: 'a graph on SQLite: growth of bytes per step', measured: exactly(growth), unit: 'x', limit: FLAT_TIMES },
  };
}

const RUNS = 20;

async function fileOf(steps: number): Promise<number> {
  const grown = async (runs: number) => {
    const { engine, path, close } = onFile();
    const job = exact(steps, trees.growing(engine));
    for (let i = 0; i < runs; i++) await job();
    await engine.close();
    const { size } = statSync(path);
    await close();
    return size;
  };
  return ((await grown(RUNS + 1)) - (await grown(1))) / RUNS;
}
