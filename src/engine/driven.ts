import type { Run } from './run.ts';

/** A run that was driven on. In an object of its own, because iterating would await a bare Run. */
export interface Resumed {
  runId: string;
  run: Run;
}

/**
 * Runs that are being driven on, from the moment of the call. Await it for their next ends, or iterate for each run as it is
 * claimed, or do neither.
 */
export interface Driven extends PromiseLike<readonly Resumed[]>, AsyncIterable<Resumed> {
  catch<T = never>(rejected?: ((reason: unknown) => T | PromiseLike<T>) | null): Promise<readonly Resumed[] | T>;
  finally(last?: (() => void) | null): Promise<readonly Resumed[]>;
}

/**
 * @param find the runs to drive, read as they are claimed: a page at a time is held, however many there are.
 * @param claim starts to drive a run. `claimed` resolves once it has been claimed, or could not be.
 * @param besides other work that is due: starts once the runs are claimed, and is awaited with them. Its failure affects no run.
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
  // one claim after the other: their journals are not read all at once
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
  // a caller who does not await it hears of no failure, and it must not end the process
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
