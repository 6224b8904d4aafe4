/** A bar on the terminal while a benchmark runs. */
import { SingleBar } from 'cli-progress';
import type { Progress } from '../../bench/index.ts';
import type { Io } from '../io.ts';
import { usd } from './format.ts';

export interface Bar {
  show(progress: Progress): void;
  end(): void;
}

/** Without a terminal there is none: a log of a build would have a line for each of its steps. */
export function progressBar({ terminal, env }: Io): Bar {
  if (!terminal || env.TERM === 'dumb') return { show: () => {}, end: () => {} };
  const bar = new SingleBar({
    stream: terminal,
    format: '{bar} {value}/{total} runs · {notOk} not passed · spent {spent} · {eta_formatted} left',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    // the program prints its own output to the same terminal
    noTTYOutput: false,
  });
  let started = false;
  return {
    show: ({ done, of, failed, spentUsd }) => {
      const words = { notOk: failed, spent: usd(spentUsd) };
      if (started) bar.update(done, words);
      else bar.start(of, done, words);
      started = true;
    },
    end: () => bar.stop(),
  };
}
