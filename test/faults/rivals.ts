import { Engine, RondoError, type RunResult } from '../../src/index.ts';
import { passing } from './clock.ts';
import { People, RUN } from './play.ts';
import { PRICES, type Scene } from './scene.ts';
import type { Tape } from './tape.ts';

/** Who got hold of a run, and how often each was told that another has it. */
export interface Rivalry {
  result: RunResult;
  busy: number;
  /** Events as each engine told them: sequence numbers. */
  told: number[];
}

/**
 * Two engines, one run, and a store that gives the lease to the one that asks. Each takes the run from the other at the given moments.
 * Both go on until the run has ended.
 */
export async function rivalry(scene: Scene, tape: Tape, moments: readonly number[]): Promise<Rivalry> {
  const told: number[] = [];
  const engines = [0, 1].map(
    () =>
      new Engine({
        journal: tape,
        agents: [scene.agent],
        prices: PRICES,
        onEvent: ({ seq, type }) => {
          // what anybody may write is told by the one that drives the run then
          if (seq !== undefined && type !== 'approval.decided' && type !== 'outcome.settled') told.push(seq);
        },
      }),
  ) as [Engine, Engine];
  let busy = 0;
  const refusals: string[] = [];
  const people = new People(engines[1], scene.script.answers, refusals);
  const heard = async (run: PromiseLike<RunResult>): Promise<RunResult | undefined> => {
    try {
      return await run;
    } catch (error) {
      if (!RondoError.is(error, 'RUN_BUSY')) throw error;
      busy++;
      return undefined;
    }
  };
  const pending: Promise<unknown>[] = [heard(engines[0].run(scene.agent, 'go', { id: RUN, by: { id: 'ana' } }))];
  let at = 0;
  moments.forEach((ms, i) => {
    at += ms;
    pending.push(new Promise<void>((resolve) => setTimeout(resolve, at)).then(() => heard(engines[(i + 1) % 2 === 1 ? 1 : 0].resume(RUN))));
  });
  await passing(Promise.all(pending), 'the rivals');
  for (let turns = 0; ; turns++) {
    if (turns > 60) throw new Error('the run does not come to an end');
    const result = await passing(heard(engines[turns % 2 === 1 ? 1 : 0].resume(RUN)), 'the run');
    if (result && result.status !== 'paused') {
      for (const engine of engines) await passing(engine.close(), 'close');
      return { result, busy, told };
    }
    await passing(people.answer(turns > 40), 'people');
  }
}
