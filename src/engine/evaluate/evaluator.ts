/**
 * Scores a sample of the runs that end here, after their end and in the background. What the graders say is appended to the run, and told
 * to telemetry.
 *
 * I1. No run waits for its graders, and none fails because of them.
 * I2. Whether a run is in the sample depends on its id alone, so every process decides alike.
 */
import { sha256 } from '../../journal/canonical.ts';
import type { Draft } from '../../journal/entries/entries.ts';
import type { RunFold } from '../../journal/fold/fold.ts';
import { runFor } from '../access.ts';
import { ended } from '../drive/closing.ts';
import { logOf } from '../interventions.ts';
import { ENGINE } from '../read/lookup.ts';
import { resultOf } from '../read/results.ts';
import type { Resources } from '../resources.ts';
import { recordsOf } from '../trace/trace.ts';
import type { TraceRecord } from '../trace/trace-record.ts';
import { askCheck, type Checked, gradedRun } from './check.ts';
import type { EvaluateOptions } from './options.ts';

/** Runs that are scored at the same time, and that wait for it. More are left out. */
const MOST = { running: 4, waiting: 1_000 };

/** The first 32 bits of the hash of the id, as a share. */
const inSample = (runId: string, sample: number) => Number.parseInt(sha256(runId).slice(0, 8), 16) / 2 ** 32 < sample;

export class Evaluator {
  readonly #resources: Resources;
  readonly #options: EvaluateOptions;
  readonly #stop = new AbortController();
  readonly #running = new Set<{ done: Promise<void> }>();
  readonly #waiting: RunFold[] = [];

  constructor(resources: Resources, options: EvaluateOptions) {
    this.#resources = resources;
    this.#options = options;
  }

  /** Scores a run that has ended here. A cancelled run has nothing to score. */
  take(run: RunFold): void {
    const { sample = 1 } = this.#options;
    if (!['completed', 'failed', 'stopped'].includes(run.status) || !inSample(run.runId, sample)) return;
    if (this.#stop.signal.aborted || this.#waiting.length >= MOST.waiting) return;
    this.#waiting.push(run);
    this.#next();
  }

  /** Waits up to `ms` milliseconds for the runs that were taken, and leaves the rest out. */
  async close(ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (this.#running.size > 0 && performance.now() < until) await ended([...this.#running], until - performance.now());
    this.#waiting.length = 0;
    this.#stop.abort(new Error('the engine was closed'));
  }

  #next(): void {
    if (this.#running.size >= MOST.running) return;
    const run = this.#waiting.shift();
    if (!run) return;
    const job = { done: Promise.resolve() };
    this.#running.add(job);
    job.done = this.#score(run)
      // the run may be forgotten, or the store away: then there is nowhere to write the score
      .catch(() => undefined)
      .finally(() => {
        this.#running.delete(job);
        this.#next();
      });
  }

  async #score(run: RunFold): Promise<void> {
    const { runId } = run;
    const result = resultOf(run);
    if (!result) return;
    const trace: TraceRecord[] = [];
    for await (const record of recordsOf(runId, this.#resources.journal.read(runId), true)) trace.push(record);
    // with the session's earlier runs; the last message is the input
    const start = await runFor(this.#resources, runId, ENGINE, 'inspect', 0);
    const earlier = start.root.messages.slice(0, -1);
    const graded = { ...gradedRun(runId, run.started.input, result, trace), ...(earlier.length > 0 && { earlier }) };
    const { graders, costUsd } = this.#options;
    for (const grader of graders) {
      if (this.#stop.signal.aborted) return;
      const started = performance.now();
      const verdict = await askCheck(grader, grader.name, graded, { signal: this.#stop.signal, ...(costUsd !== undefined && { costUsd }) });
      if (this.#stop.signal.aborted) return;
      await this.#write(run, verdict, Math.round(performance.now() - started));
    }
  }

  async #write(run: RunFold, verdict: Checked, ms: number): Promise<void> {
    const entry: Draft = evaluated(verdict, ms);
    const log = await logOf(this.#resources, run.runId, ENGINE, 'inspect');
    await log.append(() => [entry]);
    const { agent, session, by, trace } = run.started;
    const recording = await this.#resources.telemetry.recording();
    recording?.evaluated({ agent, runId: run.runId, session, by, ...(trace !== undefined && { parent: trace }) }, entry, Date.now() - ms);
  }
}

const evaluated = ({ name, pass, score, reason, costUsd, failed }: Checked, ms: number) => ({
  type: 'run.evaluated' as const,
  name,
  pass,
  score,
  ...(reason !== '' && { reason }),
  ...(costUsd !== null && { usd: costUsd }),
  ...(failed && { failed }),
  ms,
});
