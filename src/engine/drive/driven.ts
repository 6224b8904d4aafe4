import type { Run } from '../run.ts';

/** A resumed run. Wrapped in an object, because async iteration would await a bare Run. */
export interface Resumed {
  runId: string;
  /** It may have ended already. It rejects if the run could not be claimed. */
  run: Run;
}

/**
 * Runs that are being resumed, which starts with the call. Await it until all of them have ended or paused, or iterate over the runs as
 * they are claimed, or do neither.
 */
export interface Driven extends PromiseLike<readonly Resumed[]>, AsyncIterable<Resumed> {
  then: Promise<readonly Resumed[]>['then'];
  catch<T = never>(rejected?: ((reason: unknown) => T | PromiseLike<T>) | null): Promise<readonly Resumed[] | T>;
  finally(last?: (() => void) | null): Promise<readonly Resumed[]>;
}

/**
 * @param find the runs to drive. It is read while they are claimed, so that only one page is in memory.
 * @param claim starts to drive a run. `claimed` resolves once the run has been claimed, or could not be.
 * @param besides other due work. It starts when all runs are claimed, and is awaited with them. If it fails, the runs go on.
 */
export function driveAll(
  find: () => AsyncIterable<string>,
  claim: (runId: string) => { run: Run; claimed: Promise<void> },
  besides: () => Promise<void> = async () => undefined,
): Driven {
  const begun: Resumed[] = [];
  const waiting: (() => void)[] = [];
  const tell = () => {
    for (const go of waiting.splice(0)) go();
  };
  // claimed one after another, so that their journals are not read all at once
  const claiming = (async () => {
    for await (const runId of find()) {
      const { run, claimed } = claim(runId);
      begun.push({ runId, run });
      tell();
      await claimed;
    }
  })();
  const beside = claiming.then(besides, () => undefined).catch(() => undefined);
  let claimedAll = false;
  const end = () => {
    claimedAll = true;
    tell();
  };
  claiming.then(end, end);
  const ends = async () => {
    await claiming;
    await Promise.allSettled([...begun.map(({ run }) => run), beside]);
    return begun;
  };
  const done = ends();
  // if the caller does not await it, a failure must not become an unhandled rejection
  done.catch(() => undefined);

  async function* each(): AsyncGenerator<Resumed, void, undefined> {
    for (let i = 0; ; ) {
      if (i < begun.length) yield begun[i++] as Resumed;
      else if (claimedAll) return claiming;
      else
        await new Promise<void>((resolve) => {
          waiting.push(resolve);
        });
    }
  }
  return {
    // biome-ignore lint/suspicious/noThenProperty: it is awaited
    then: (fulfilled, rejected) => done.then(fulfilled, rejected),
    catch: (rejected) => done.catch(rejected),
    finally: (last) => done.finally(last),
    [Symbol.asyncIterator]: each,
  };
}
