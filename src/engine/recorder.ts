/**
 * Records conversations in memories, after the runs. The journal holds what is left to record (src/journal/outbox.ts), so what a crash or
 * a failing memory left is found by `recover()` and `sweep()`, in this process or another one.
 *
 * I1. No run waits for a memory to record, and none fails because of it.
 * I2. An attempt holds the lease on the run, so no two processes record it at the same time.
 * I3. Every attempt ends with an entry. If that cannot be written, the conversation is recorded again under the same key.
 */
import { RondoError, ToolError } from '../errors.ts';
import { outputParts } from '../journal/conversation.ts';
import type { Draft } from '../journal/entries.ts';
import type { RunFold } from '../journal/fold.ts';
import { Log } from '../journal/log.ts';
import type { Recording } from '../journal/outbox.ts';
import { memoryOf } from '../loop/remembered.ts';
import type { AgentDefinition } from '../loop/types.ts';
import type { Memory } from '../ports/memory.ts';
import type { Message } from '../ports/model.ts';
import type { Principal } from '../ports/principal.ts';
import { CancelSource } from '../reliability/cancel.ts';
import { classify } from '../reliability/classify.ts';
import { inTime } from '../reliability/patience.ts';
import { ended } from './closing.ts';
import { allDue } from './due.ts';
import { loadRun } from './history.ts';
import { LEASE, release } from './lease.ts';
import type { Resources } from './resources.ts';
import { seize } from './resume.ts';

/** Milliseconds that one attempt may take. */
const TIMEOUT = 300_000;
/** Milliseconds until the second attempt; doubles with every attempt, up to the longest. */
const RETRY = { first: 1_000, longest: 3_600_000, attempts: 100 };
/** Runs that are recorded at the same time. */
const PARALLEL = 8;
/** Runs whose next attempt is planned in this process; a sweep finds the others. */
const MOST_PLANNED = 1_000;
/** Characters of a memory's error that are kept. */
const LONGEST_MESSAGE = 500;

/** A run with something to record, while this process sees to it. */
interface Job {
  readonly stop: AbortController;
  done: Promise<void>;
  timer?: NodeJS.Timeout;
}

export class Recorder {
  readonly #resources: Resources;
  readonly #jobs = new Map<string, Job>();
  #closed = false;

  constructor(resources: Resources) {
    this.#resources = resources;
  }

  /** A run has ended here: records what it promised, in the background. */
  take(log: Log, agent: AgentDefinition): void {
    const { run } = log;
    if (run.status === 'completed' && run.outbox.size > 0) this.#begin(run.runId, () => this.#work(log, agent));
  }

  /** Records what runs left behind that ended anywhere. Resolves when one attempt was made for each. */
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

  /**
   * Ends the attempts for a run, which is about to be forgotten.
   * @throws RondoError `RUN_BUSY` where another process makes one.
   */
  async drop(run: RunFold): Promise<void> {
    const job = this.#jobs.get(run.runId);
    if (job) {
      clearTimeout(job.timer);
      job.stop.abort(new Error('the run is forgotten'));
      await job.done;
      this.#jobs.delete(run.runId);
    }
    // between two attempts of ours another process may make one
    if (run.status === 'completed' && run.outbox.size > 0 && !(await seize(this.#resources, run.runId)))
      throw new RondoError(
        'RUN_BUSY',
        `the conversation of run ${run.runId} is being recorded in a memory: try again in a moment. Nothing was forgotten.`,
        { details: { runId: run.runId } },
      );
  }

  /** Waits for the attempts under way for so many milliseconds, and ends them. What is left is in the journal. */
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
    // what the store cannot do now is done by a later attempt
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
    return this.#work(new Log(this.#resources.journal, run, undefined, () => undefined, true), agent);
  }

  /** One attempt for all that is due. @returns milliseconds until the next one; undefined where this process has no more to do. */
  async #work(log: Log, agent: AgentDefinition): Promise<number | undefined> {
    const { run } = log;
    const resources = this.#resources;
    const job = this.#jobs.get(run.runId);
    const signal = job?.stop.signal;
    const now = await resources.host.now();
    for (const recording of [...run.outbox.values()]) {
      const memory = recording.at <= now ? memoryAt(resources, agent, recording.path) : undefined;
      if (!memory) continue;
      if (!signal || signal.aborted || !(await seize(resources, run.runId))) return undefined;
      const beat = setInterval(() => void extend(resources, run.runId), LEASE / 3);
      beat.unref();
      try {
        const entry = await this.#record(run, recording, memory, signal);
        if (!entry) {
          await release(resources, run.runId);
          return undefined;
        }
        // with it the lease ends
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

  /** Gives one conversation to a memory. @returns the entry that tells how that ended; undefined where `signal` ended it. Never throws. */
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
        messages: messagesOf(run, recording),
        idempotencyKey: key,
        signal: source.signal,
      });
      await inTime(asked, TIMEOUT, 'the memory', source);
      return { type: 'memory.recorded', key, attempt };
    } catch (error) {
      if (signal.aborted) return undefined;
      source.cancel(error);
      return failed(run, key, attempt, error);
    } finally {
      unlink();
    }
  }
}

/** Of a graph or a foreign agent, which have no conversation: what was asked, and the answer. */
function messagesOf(run: RunFold, { path, messages }: Recording): readonly Message[] {
  const output = run.settled?.output;
  if (path.length > 1 || !run.root.kind || output === undefined) return messages;
  return [...messages, { role: 'assistant', content: outputParts(output) }];
}

function failed(run: RunFold, key: string, attempt: number, thrown: unknown): Draft {
  const { code, message, retryable } = classify(thrown, 'MEMORY_FAILED');
  const told = ToolError.is(thrown) || RondoError.is(thrown);
  const error = { code, ...(told && { message: message.slice(0, LONGEST_MESSAGE) }) };
  if ((ToolError.is(thrown) && !retryable) || attempt >= RETRY.attempts) {
    process.emitWarning(
      `the conversation of run ${run.runId} is not in the memory, and will not be: ${told ? `${code}: ${error.message}` : code}.`,
      'RondoWarning',
    );
    return { type: 'memory.recorded', key, attempt, error };
  }
  return { type: 'memory.recorded', key, attempt, error, retryIn: Math.min(RETRY.longest, RETRY.first * 2 ** (attempt - 1)) };
}

/** The memory of the agent at the end of a path, as the agents are declared now. */
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

async function extend({ journal, owner }: Resources, runId: string): Promise<void> {
  try {
    await journal.renew(runId, owner, Date.now() + LEASE);
  } catch {
    // the lease that is left is good; after it another process may record the same, under the same key
  }
}
