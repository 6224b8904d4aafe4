import { afterAll, beforeAll, expect, test } from 'vitest';
import { CHECKED, RUN } from './job.ts';
import { effects } from './ledger.ts';
import { each, held, type Life, live, startJob } from './lives.ts';
import { isLater } from './store.ts';
import { checkHits, Tally } from './tally.ts';
import { judge, outcomeOf } from './verdict.ts';
import { JobWorld, outside } from './world.ts';

const world = new JobWorld();
beforeAll(() => world.prepare());
afterAll(() => world.remove());

/** What became of an owner that was held at a point while another took over, and then went on. */
interface Woken {
  at: string;
  end: string;
  /** What it wrote to the journal after it was woken, but for results that came too late for it. */
  wrote: number;
  /** Those results: they are recorded, and change nothing. */
  late: number;
  /** Tools that it let take effect after it was woken. */
  effects: string[];
  life: Life;
}

/** @returns undefined where it ended before the point: a slow machine renews the lease in between, and has more points one time than another. */
async function hold(dir: string, at: number): Promise<Woken | undefined> {
  const owner = startJob({ dir, at, signal: 'SIGSTOP' });
  // what fails says so when it ends
  const said = await owner.said({ at: true }).catch(async () => void (await owner.ended));
  if (!said) return undefined;
  const { at: label } = said;
  await held(owner.pid);
  // its lease runs out
  await outside(dir, async (journal) => {
    for await (const head of journal.heads({ runId: RUN })) if (head.owner) await journal.renew(RUN, head.owner, 0);
  });
  const next = await live({ dir, at: 0 });
  expect(next.end, `the one that took over, ${label}`).toMatchObject({ status: 'completed' });
  const [entries, done] = [(await outcomeOf(dir)).entries.length, effects(dir).all().length];
  owner.kill('SIGCONT');
  const life = await owner.ended;
  const after = await outcomeOf(dir);
  const written = after.entries.slice(entries);
  const late = written.filter((entry) => entry.type === 'outcome.settled' && entry.source === 'late').length;
  return {
    at: label as string,
    end: life.end?.error ?? (life.end?.status as string),
    wrote: written.length - late,
    late,
    effects: after.effects.slice(done).map(({ tool }) => tool),
    life: { ...life, at: label as string },
  };
}

test('an owner that was suspended past its lease, at any point, writes nothing more', async () => {
  const points = await world.copy(async (dir) => (await live({ dir, at: 0 })).points as number);
  const tally = new Tally();
  const woken: Woken[] = [];
  await each(
    Array.from({ length: points }, (_, i) => i + 1),
    (at) =>
      world.copy(async (dir) => {
        const w = await hold(dir, at);
        if (!w) return;
        woken.push(w);
        tally.add([at], [w.life], judge(await outcomeOf(dir), world.undisturbed));
      }),
  );
  for (const end of new Set(woken.map((w) => w.end)))
    tally.row(`the held one ended with ${end}`, woken.filter((w) => w.end === end).length);
  tally.row(
    'late writes',
    woken.reduce((sum, { wrote }) => sum + wrote, 0),
  );
  tally.row(
    'late results recorded',
    woken.reduce((sum, { late }) => sum + late, 0),
  );
  tally.row(
    'late effects of calls under way',
    woken.reduce((sum, w) => sum + w.effects.length, 0),
  );
  // a check said, truly, that the call had not run; then the held process woke up inside it
  const { duplicates = [] } = tally.sum;
  const outrun = duplicates.filter((what) => CHECKED.some((tool) => what.includes(`: ${tool} `)));
  tally.sum.duplicates = duplicates.filter((what) => !outrun.includes(what));
  tally.row('calls that outran their check', outrun.length);
  tally.row('points that were not reached', points - woken.length);
  checkHits(woken.length, points);
  tally.print('the owner is held by SIGSTOP past its lease, another one finishes, SIGCONT');
  expect(woken.filter(({ wrote }) => wrote > 0)).toEqual([]);
  tally.check();

  const taken = woken.filter(({ end }) => end !== 'RUN_BUSY').map(({ at, end }) => `${at}: ${end}`);
  // before it had a run, when it had nothing more to write, or when it was to go on with a run that has ended since
  const NOTHING_MORE =
    /^(after append of .*(approval\.decided|run\.settled)|before append of (approval\.decided|run\.claimed).*|(before|after) taking the lease): completed$/;
  const others = taken.filter((one) => !NOTHING_MORE.test(one));
  expect(others).toEqual(['before append of run.started: RUN_EXISTS']);
  if (isLater()) return;
  expect(taken.sort()).toEqual([
    'after append of approval.decided, approval.decided, approval.decided: completed',
    'after append of approval.decided: completed',
    'after append of model.responded, run.settled: completed',
    'after append of run.settled: completed',
    'after append of run.settled: completed',
    'after taking the lease: completed',
    'after taking the lease: completed',
    'before append of approval.decided, approval.decided, approval.decided: completed',
    'before append of approval.decided: completed',
    'before append of run.claimed: completed',
    'before append of run.claimed: completed',
    'before append of run.started: RUN_EXISTS',
    'before taking the lease: completed',
    'before taking the lease: completed',
  ]);
});
