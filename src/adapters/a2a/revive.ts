import type { Engine } from '../../engine/engine.ts';
import { RondoError } from '../../errors.ts';
import { refusal } from './refuse.ts';

/** Milliseconds between looks: what another machine held is free when its lease ends. */
const EVERY = 15_000;

/** Drives on the runs whose process died, and those that wait no longer. @returns what stops it. */
export function revive(engine: Engine): () => void {
  let busy = false;
  const look = async () => {
    if (busy) return;
    busy = true;
    try {
      for (const found of [engine.recover(), engine.sweep()])
        for await (const { run } of found)
          run.then(
            () => undefined,
            // somebody else was faster, or is to go on with it
            (error) => {
              if (!RondoError.is(error, 'RUN_BUSY') && !RondoError.is(error, 'ENGINE_CLOSED')) refusal(error);
            },
          );
    } catch (error) {
      if (RondoError.is(error, 'ENGINE_CLOSED')) clearInterval(timer);
      else refusal(error);
    } finally {
      busy = false;
    }
  };
  const timer = setInterval(look, EVERY);
  timer.unref();
  void look();
  return () => clearInterval(timer);
}
