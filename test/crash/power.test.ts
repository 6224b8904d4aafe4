import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Entry } from '../../src/index.ts';
import { ONCE, RUN } from './job.ts';
import { acknowledged, database, type Effect, effects, synced, walOf } from './ledger.ts';
import { each, held, live, startJob } from './lives.ts';
import { random, SEED, Tally } from './tally.ts';
import { judge, outcomeOf } from './verdict.ts';
import { JobWorld, outside } from './world.ts';

const world = new JobWorld();
beforeAll(() => world.prepare());
afterAll(() => world.remove());

const draw = random(SEED);
type Cut = 'none' | 'torn' | 'garbage';

/**
 * The files as they lie there while their process is held. As a power cut would leave them: of the log, what was synced is whole;
 * what was written after it is there, or cut off anywhere, or garbage.
 */
function snapshot(from: string, to: string, cut: Cut): void {
  copyFileSync(database(from), database(to));
  for (const effect of effects(from).all()) effects(to).add(effect);
  for (const line of acknowledged(from).all()) acknowledged(to).add(line);
  if (!existsSync(walOf(from))) return;
  const wal = readFileSync(walOf(from));
  const safe = synced(from).all().at(-1)?.wal ?? 0;
  const end = cut === 'none' ? wal.length : safe + Math.floor(draw() * (wal.length - safe + 1));
  if (cut === 'garbage') for (let i = end; i < wal.length; i++) wal[i] = Math.floor(draw() * 256);
  writeFileSync(walOf(to), cut === 'torn' ? wal.subarray(0, end) : wal);
}

const entriesOf = (dir: string) =>
  outside(dir, async (journal) => {
    const all: Entry[] = [];
    for await (const entry of journal.read(RUN)) all.push(entry);
    return all;
  });

/** Effects of `once` tools whose intent is not in the journal. */
function unintended(entries: readonly Entry[], done: readonly Effect[]): string[] {
  const started = entries.filter((e) => e.type === 'call.started').map(({ call }) => call);
  const names = new Map<string, number>();
  for (const answer of entries) {
    if (answer.type !== 'model.responded') continue;
    const calls = answer.content.filter((part) => part.type === 'toolCall');
    calls.forEach(({ name }, i) => {
      if (started.includes(`${answer.seq}.${i}`)) names.set(name, (names.get(name) ?? 0) + 1);
    });
  }
  const once = done.filter(({ tool }) => (ONCE as readonly string[]).includes(tool));
  return once
    .filter(({ tool }) => once.filter((e) => e.tool === tool).length > (names.get(tool) ?? 0))
    .map(({ tool, n }) => `${tool} ${n}`);
}

/** Runs the job, and copies its files at one moment after the other. */
async function copiesOf(dir: string, cut: Cut): Promise<string[]> {
  const copies: string[] = [];
  const child = startJob({ dir, at: 0, synced: true });
  await child.said({ ready: true });
  for (;;) {
    await sleep(16 * draw());
    child.kill('SIGSTOP');
    if (!(await held(child.pid))) break;
    const copy = world.folder('copy');
    snapshot(dir, copy, cut);
    copies.push(copy);
    child.kill('SIGCONT');
  }
  await child.ended;
  return copies;
}

test.each([
  ['none', 'as the files are at a moment'],
  ['torn', 'what was not synced is cut off'],
  ['garbage', 'what was not synced is garbage'],
] as const)('a copy of the files can be continued elsewhere (%s: %s)', async (cut, title) => {
  const tally = new Tally();
  const missing: string[] = [];
  const broken: unknown[] = [];
  let midway = 0;
  let acknowledgements = 0;
  for (let i = 0; i < 3; i++) {
    const copies = await world.copy((dir) => copiesOf(dir, cut));
    await each(copies, async (copy) => {
      const done = effects(copy).all();
      const entries = await entriesOf(copy);
      missing.push(...unintended(entries, done));
      const decided = entries.flatMap((e) => (e.type === 'approval.decided' ? e.id : []));
      const promised = acknowledged(copy).all();
      acknowledgements += promised.length;
      broken.push(...promised.filter(({ id }) => !decided.includes(id)));
      if (done.length > 0 && done.length < world.undisturbed.effects.length) midway++;
      const life = await live({ dir: copy, at: 0 });
      tally.add([i], [{ ...life, at: `after ${done.length} effects` }], judge(await outcomeOf(copy), world.undisturbed));
    });
  }
  tally.row('of them midway', midway);
  tally.row('once effects without their intent', missing.length);
  tally.row(`of ${acknowledgements} decisions that were heard, lost`, broken.length);
  tally.print(`copies of the files, ${title} (RONDO_CRASH_SEED=${SEED})`);
  expect(midway).toBeGreaterThan(5);
  expect(acknowledgements).toBeGreaterThan(5);
  expect(missing).toEqual([]);
  expect(broken).toEqual([]);
  tally.check();
});
