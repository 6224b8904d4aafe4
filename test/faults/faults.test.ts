import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { jsonSchema } from '../../src/index.ts';
import { virtualTime } from './clock.ts';
import { holds, shownIsStored, stands, watchingState } from './holds.ts';
import { play } from './play.ts';
import { rivalry } from './rivals.ts';
import { Scene } from './scene.ts';
import { type Script, script } from './script.ts';
import { Tape, type Trouble } from './tape.ts';

/** Printed, and taken from RONDO_FAULTS_SEED to see the same again. */
const seed = Number(process.env.RONDO_FAULTS_SEED ?? Date.now() % 2 ** 31);
const runs = Number(process.env.RONDO_FAULTS_RUNS ?? 100);
console.log(`faults: RONDO_FAULTS_SEED=${seed} RONDO_FAULTS_RUNS=${runs}`);

const unhandled: unknown[] = [];
const note = (reason: unknown) => void unhandled.push(reason);

// the validator is loaded at its first use, which takes real time
beforeAll(async () => void (await jsonSchema({ type: 'object' })['~standard'].validate({})));
beforeEach(() => {
  virtualTime();
  process.on('unhandledRejection', note);
});
afterEach(() => {
  vi.useRealTimers();
  process.off('unhandledRejection', note);
  expect(unhandled.splice(0)).toEqual([]);
});

/** Plays one script on one journal, and checks all that must hold. */
async function check(scene: Scene, tape: Tape, may: readonly string[] = []): Promise<Tape> {
  const state = watchingState(tape);
  const asked: unknown[] = [];
  const shown = shownIsStored(tape);
  scene.asked = (request) => {
    try {
      shown(request);
    } catch (error) {
      asked.push(error);
    }
  };
  try {
    const played = await play(scene, tape);
    expect(asked).toEqual([]);
    expect(state.problems.slice(0, 3)).toEqual([]);
    await holds(scene, tape, played);
    // somebody who cancels a run that waits is its owner for a moment
    const allowed = scene.script.cancelAt === undefined ? may : [...may, 'RUN_BUSY'];
    expect(played.rejected.filter((code) => !allowed.includes(code))).toEqual([]);
  } finally {
    state.stop();
  }
  expect(unhandled).toEqual([]);
  return tape;
}

const tapeOf = (scene: Scene, trouble?: Trouble) => new Tape({ effects: () => scene.done.length, ...(trouble && { trouble }) });

test('whatever models, tools and people do, the run ends or pauses, and keeps its promises', async () => {
  await fc.assert(
    fc.asyncProperty(script, async (s) => {
      const scene = new Scene(s);
      await check(scene, tapeOf(scene));
    }),
    { seed, numRuns: runs },
  );
});

test('and the same on a slow journal', async () => {
  await fc.assert(
    fc.asyncProperty(script, fc.infiniteStream(fc.boolean()), async (s, late) => {
      const scene = new Scene(s);
      await check(
        scene,
        tapeOf(scene, () => (late.next().value ? 'late' : undefined)),
      );
    }),
    { seed: seed + 1, numRuns: runs },
  );
});

test('after a crash behind any append, and another one, it goes on to an end that keeps them', async () => {
  await fc.assert(
    fc.asyncProperty(script, fc.nat(), fc.nat(), fc.nat(3), async (s: Script, first, second, more) => {
      let scene = new Scene(s);
      let tape = await check(scene, tapeOf(scene));
      for (const at of [first, second]) {
        const kept = 1 + (at % tape.appends.length);
        const least = tape.appends[kept - 1]?.effects ?? 0;
        const most = tape.appends[kept]?.effects ?? scene.done.length;
        // a call under way has had its effect, or has not
        const next = new Scene({ ...s, cancelAt: undefined }, scene.done.slice(0, Math.min(least + more, most)));
        tape = tape.cut(kept, { effects: () => next.done.length });
        scene = next;
        await check(scene, tape);
      }
    }),
    { seed: seed + 2, numRuns: runs },
  );
});

// holds act.I2
test('on a store that is full now and then, nothing runs twice, and it ends once there is room', async () => {
  const trouble = fc.array(fc.constantFrom<ReturnType<Trouble>>(undefined, undefined, undefined, 'late', 'full', 'full', 'late-full'), {
    minLength: 20,
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(script, trouble, async (s, list) => {
      // a call that the limit of time cuts off is unknown
      const { time: _, ...limits } = s.limits;
      const scene = new Scene({ ...s, limits });
      const tape = tapeOf(scene, (n) => list[n]);
      await check(scene, tape, ['JOURNAL_UNAVAILABLE']);
      // what had run was held until there was room
      expect(JSON.stringify(tape.entries('r'))).not.toContain('OUTCOME_UNKNOWN');
    }),
    { seed: seed + 3, numRuns: runs },
  );
});

test('two engines that take a run from each other never both act, and the run ends like a run of one engine', async () => {
  let busy = 0;
  await fc.assert(
    fc.asyncProperty(script, fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 5 }), async (s, moments) => {
      // a limit ends a run for both, and a check that says `not-run` of a call that another process is in is not this test's matter
      const steps = s.steps.map((step) => ({
        ...step,
        asks: step.asks.map((ask) => (ask.tool === 'checked' ? { ...ask, tool: 'once' as const } : ask)),
      }));
      const scene = new Scene({ ...s, steps, limits: {} });
      const tape = new Tape({ blind: true });
      const rivals = await rivalry(scene, tape, moments);
      busy += rivals.busy;
      stands(scene, tape, rivals);
      expect(new Set(rivals.told).size, 'an event was told twice').toBe(rivals.told.length);
    }),
    { seed: seed + 4, numRuns: runs },
  );
  expect(busy).toBeGreaterThan(runs / 10);
});
