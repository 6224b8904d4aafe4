/**
 * Records conversations in memories after the runs. The journal has an outbox of what is left to record (src/journal/entries/outbox.ts), so after
 * a crash or a memory failure `recover()` and `sweep()` continue, in this process or another one.
 *
 * I1. No run waits for a memory to record, and none fails because of it.
 * I2. An attempt holds the lease on the run, so no two processes record it at the same time.
 * I3. Every attempt ends with an entry. If that cannot be written, the conversation is recorded again under the same key.
 */
import { RondoError, ToolError } from '../../errors.ts';
import type { Draft } from '../../journal/entries/entries.ts';
import type { Recording } from '../../journal/entries/outbox.ts';
import { outputParts } from '../../journal/fold/conversation.ts';
import type { RunFold } from '../../journal/fold/fold.ts';
import { Log } from '../../journal/log.ts';
import { memoryFailure, memoryOf } from '../../loop/remembered.ts';
import type { AgentDefinition } from '../../loop/types.ts';
import type { Memory } from '../../ports/memory.ts';
import type { Message } from '../../ports/model.ts';
import type { Principal } from '../../ports/principal.ts';
import { CancelSource } from '../../reliability/cancel.ts';
import { inTime } from '../../reliability/patience.ts';
import { warnOnce } from '../../reliability/warn.ts';
import { allDue } from '../due.ts';
import type { Resources } from '../resources.ts';
import { ended } from './closing.ts';
import { loadRun } from './history.ts';
import { LEASE, release } from './lease.ts';
import { acquireLease } from './resume.ts';
import { Writes } from './writes.ts';

/** Milliseconds that one attempt may take. */
const TIMEOUT = 300_000;
/** Milliseconds before the second attempt, doubled with every attempt up to `longest`; and the number of attempts. */
const RETRY = { first: 1_000, longest: 3_600_000, attempts: 100 };
/** Most runs that are recorded at the same time. */
const PARALLEL = 8;
/** Most runs whose next attempt is scheduled in this process. A sweep finds the others. */
const MOST_PLANNED = 1_000;
/** Milliseconds that forgetting waits for attempts that were stopped and go on. */
const SETTLES = 10_000;

/** A run with conversations to record, scheduled in this process. */
interface Job {
  readonly stop: AbortController;
  done: Promise<void>;
  timer?: NodeJS.Timeout;
}

export class Recorder {
  readonly #resources: Resources;
  readonly #jobs = new Map<string, Job>();
  readonly #writes = new Writes();
  #closed = false;

  constructor(resources: Resources) {
    this.#resources = resources;
  }

  /** Records the conversations of a run that ended here, in the background. */
  take(log: Log, agent: AgentDefinition): void {
    const { run } = log;
    if (run.status === 'completed' && run.outbox.size > 0) this.#begin(run.runId, () => this.#work(log, agent));
  }

  /** Records due conversations of runs of any process. Resolves when one attempt was made for each. */
  async sweep(): Promise<void> {
    const { journal, host, agents } = this.#resources;
    if (memoriesOf(this.#resources).size === 0) return;
    const due = allDue(journal, { status: 'completed', now: await host.now() });
    const worker = async () => {
      for (let next = await due.next(); !next.done; next = await due.next()) {
        const { runId, agent } = next.value;
        const known = agents.of(runId, agent);
        if (!known || this.#closed || this.#jobs.get(runId)) continue;
        this.#begin(runId, () => this.#found(runId, known));
        await this.#jobs.get(runId)?.done;
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
  }

  /** Stops recording a run here that is about to be forgotten. Another process may go on recording it. */
  async drop(runId: string): Promise<void> {
    const job = this.#jobs.get(runId);
    if (!job) return;
    clearTimeout(job.timer);
    job.stop.abort(new Error('the run is forgotten'));
    await job.done;
    this.#jobs.delete(runId);
  }

  /**
   * Waits until no memory writes any more what a run said, so that what it wrote can be erased: a memory may go on after its attempt was stopped.
   * @returns the runs whose attempts had to end before, and still go on: they may be written later.
   * @throws RondoError `RUN_BUSY` if another attempt does not end within 10 seconds.
   */
  async silence(of: (run: RunFold) => boolean): Promise<readonly string[]> {
    const left = await this.#writes.ended(of, SETTLES);
    const [busy] = left.filter(({ until }) => until > performance.now());
    if (!busy) return left.map(({ run }) => run.runId);
    const { runId } = busy.run;
    throw new RondoError(
      'RUN_BUSY',
      `a memory is still recording the conversation of run ${runId}, and did not stop when it was told to: try again in a moment. Nothing was forgotten.`,
      { details: { runId } },
    );
  }

  /** Waits up to `ms` milliseconds for running attempts, then aborts them. The rest stays in the outbox. */
  async close(ms: number): Promise<void> {
    this.#closed = true;
    const jobs = [...this.#jobs.values()];
    await ended(jobs, ms);
    for (const job of jobs) {
      clearTimeout(job.timer);
      job.stop.abort(new Error('the engine was closed'));
    }
    this.#jobs.clear();
  }

  #begin(runId: string, work: () => Promise<number | undefined>): void {
    const job: Job = { stop: new AbortController(), done: Promise.resolve() };
    this.#jobs.set(runId, job);
    job.done = this.#attempt(runId, job, work);
  }

  async #attempt(runId: string, job: Job, work: () => Promise<number | undefined>): Promise<void> {
    // if the store fails, a later attempt follows
    const wait = await work().catch(() => RETRY.first);
    if (this.#jobs.get(runId) !== job) return;
    if (wait === undefined || this.#closed || this.#jobs.size > MOST_PLANNED) return void this.#jobs.delete(runId);
    job.timer = setTimeout(() => {
      job.done = this.#attempt(runId, job, work);
    }, wait);
    job.timer.unref();
  }

  async #found(runId: string, agent: AgentDefinition): Promise<number | undefined> {
    const run = await loadRun(this.#resources.journal, runId);
    if (run?.status !== 'completed' || run.outbox.size === 0) return undefined;
    return this.#work(new Log(this.#resources.journal, run, undefined, undefined, true), agent);
  }

  /** Makes one attempt for everything that is due. @returns milliseconds until the next one; undefined if nothing is left for this process. */
  async #work(log: Log, agent: AgentDefinition): Promise<number | undefined> {
    const { run } = log;
    const resources = this.#resources;
    const job = this.#jobs.get(run.runId);
    const signal = job?.stop.signal;
    const now = await resources.host.now();
    for (const recording of [...run.outbox.values()]) {
      const memory = recording.at <= now ? memoryAt(resources, agent, recording.path) : undefined;
      if (!memory) continue;
      if (!signal || signal.aborted || !(await acquireLease(resources, run.runId))) return undefined;
      const beat = setInterval(() => void extend(resources, run.runId), LEASE / 3);
      beat.unref();
      try {
        const entry = await this.#record(run, recording, memory, signal);
        if (!entry) {
          await release(resources, run.runId);
          return undefined;
        }
        // the last of these entries also releases the lease
        await log.add((known) => (known.outbox.has(recording.key) ? [{ ...entry }] : []));
      } catch (error) {
        await release(resources, run.runId);
        throw error;
      } finally {
        clearInterval(beat);
      }
    }
    const next = [...run.outbox.values()].filter(({ path }) => memoryAt(resources, agent, path)).map(({ at }) => at);
    return next.length === 0 ? undefined : Math.max(0, Math.min(...next) - (await resources.host.now()));
  }

  /** Records one conversation. @returns the entry with the result; undefined if `signal` was aborted. Never throws. */
  async #record(run: RunFold, recording: Recording, memory: Memory, signal: AbortSignal): Promise<Draft | undefined> {
    const { key, path } = recording;
    const attempt = recording.attempts + 1;
    const { source, unlink } = CancelSource.follow(signal);
    try {
      const { by, session } = run.started;
      const asked = memory.record({
        by: by as Principal,
        session: session as string,
        agent: path.at(-1) as string,
        run: run.runId,
        ...(path.length > 1 && { nested: true }),
        messages: messagesOf(run, recording),
        idempotencyKey: key,
        signal: source.signal,
      });
      this.#writes.add(run, asked, TIMEOUT);
      await inTime(asked, TIMEOUT, 'the memory', source);
      return { type: 'memory.recorded', key, attempt };
    } catch (error) {
      if (signal.aborted) return undefined;
      source.cancel(error);
      return failed(run, memory, key, attempt, error);
    } finally {
      unlink();
    }
  }
}

/** The conversation to record. A graph or a foreign agent has none, so it is the input and the output. */
function messagesOf(run: RunFold, { path, messages }: Recording): readonly Message[] {
  const output = run.settled?.output;
  if (path.length > 1 || !run.root.kind || output === undefined) return messages;
  return [...messages, { role: 'assistant', content: outputParts(output) }];
}

function failed(run: RunFold, memory: Memory, key: string, attempt: number, thrown: unknown): Draft {
  const { code, message, text, retryable } = memoryFailure(thrown);
  const error = { code, message };
  const conversation = `the conversation of run ${run.runId} is not in the memory`;
  if ((ToolError.is(thrown) && !retryable) || attempt >= RETRY.attempts) {
    process.emitWarning(`${conversation}, and will not be: ${text}.`, 'RondoWarning');
    return { type: 'memory.recorded', key, attempt, error };
  }
  const later = `It is tried again, at most ${RETRY.attempts} times. Later failures of this memory are only in the journals`;
  warnOnce(memory, 'record', `${conversation} yet: ${text}. ${later}.`);
  return { type: 'memory.recorded', key, attempt, error, retryIn: Math.min(RETRY.longest, RETRY.first * 2 ** (attempt - 1)) };
}

/** The memory of the agent at the end of a path, by the current declarations. */
function memoryAt({ host }: Resources, top: AgentDefinition, path: readonly string[]): Memory | undefined {
  let agent: AgentDefinition | undefined = top;
  for (const name of path.slice(1)) agent = agent?.agents.find((a) => a.name === name);
  return agent && memoryOf(agent, path.length === 1, host);
}

/** Every memory that this engine may use. */
export function memoriesOf({ host, agents }: Resources): ReadonlySet<Memory> {
  const found = new Set<Memory>(host.memory ? [host.memory] : []);
  const seen = new Set<AgentDefinition>(agents.all());
  for (const agent of seen) {
    if (agent.memory) found.add(agent.memory);
    for (const below of agent.agents) seen.add(below);
  }
  return found;
}

async function extend({ journal, host, owner }: Resources, runId: string): Promise<void> {
  try {
    await journal.renew(runId, owner, (await host.now()) + LEASE);
  } catch {
    // the current lease is still valid; after it, another process may record the same conversation under the same key
  }
}
