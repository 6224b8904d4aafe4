/**
 * The loop of `engine.work()`.
 *
 * I1. No error of a run, a listener or the store ends it: only `halt()` and the closing of its engine do.
 * I2. It never decides who may drive a run: the claim in the journal does. So any number of loops may work on one store.
 * I3. Decisions come before timers, these before recovery, and that before the queue.
 * I4. A run that it cannot drive holds no place, and is tried again later.
 */
import { detailOf, RondoError } from '../../errors.ts';
import { dueAt } from '../../journal/due.ts';
import { heard } from '../../journal/heard.ts';
import type { RunHead } from '../../journal/port.ts';
import type { LiveRun } from '../drive/live-run.ts';
import type { Recorder } from '../drive/recorder.ts';
import { allDue, orphans } from '../due.ts';
import { findHead } from '../read/lookup.ts';
import type { Resources } from '../resources.ts';
import { engineError, type Run } from '../run.ts';
import { Backoff } from './backoff.ts';
import { Blocked } from './blocked.ts';
import { Schedules } from './schedules.ts';
import { Turns } from './turns.ts';
import type { Worked, WorkKind, WorkState } from './worked.ts';

export interface LoopPorts {
  resources: Resources;
  recorder: Recorder;
  /** Drives a run as the engine itself. `live` is undefined if it is refused. */
  drive(runId: string): { run: Run; live: LiveRun | undefined };
}

interface LoopOptions {
  concurrency: number;
  perTenant: number;
  every: number;
  onRun: ((worked: Worked) => void) | undefined;
  onError: (error: unknown, runId?: string) => void;
}

/** Milliseconds between two looks at what needs no haste: leases of processes that died on this machine, and memories. */
const SLOW = 15_000;
/** Milliseconds in which changes that the store tells of are gathered, and by how many times longer than the last look took at least. */
const GATHER = { least: 2, times: 10 };
/** Most runs of unknown agents that are listed. */
const MOST_UNKNOWN = 1_000;

export class Loop {
  readonly #ports: LoopPorts;
  readonly #o: LoopOptions;
  readonly #backoff = new Backoff();
  readonly #turns: Turns;
  readonly #schedules: Schedules;
  readonly #subscription = new AbortController();
  /** Runs that it drives, with their heads. */
  readonly #driving = new Map<string, { head: RunHead; done: Promise<void> }>();
  readonly #tenants = new Map<string | undefined, number>();
  readonly #blocked = new Blocked();
  readonly #unknown = new Map<string, string>();
  #driven = 0;
  #failed = 0;
  #halted = false;
  #ended = false;
  /** Something may be due that was not when the loop looked last. */
  #changed = true;
  /** When the next run is due, by the store's clock. */
  #soon = Number.POSITIVE_INFINITY;
  #slow = 0;
  #polled = 0;
  #recording: Promise<void> = Promise.resolve();
  #idlers: (() => void)[] = [];
  /** Set since the loop looked last: it must not rest. */
  #woken = false;
  #end: (() => void) | undefined;
  #gathering: NodeJS.Timeout | undefined;
  #gap = GATHER.least;

  constructor(ports: LoopPorts, o: LoopOptions) {
    this.#ports = ports;
    this.#o = o;
    this.#turns = new Turns(ports.resources.journal);
    this.#schedules = new Schedules(ports.resources);
  }

  async run(): Promise<void> {
    const { resources } = this.#ports;
    const halt = () => this.halt();
    resources.closing.add(halt);
    try {
      await this.#subscribe();
      while (!this.#halted && !resources.closed) {
        this.#woken = false;
        try {
          await this.#look();
        } catch (error) {
          if (resources.closed) break;
          this.#changed = true;
          this.#tell(error);
          await this.#sleep(this.#o.every);
          continue;
        }
        await this.#rest();
      }
    } finally {
      resources.closing.delete(halt);
      this.#subscription.abort();
      clearTimeout(this.#gathering);
      this.#ended = true;
      for (const resolve of this.#idlers.splice(0)) resolve();
    }
  }

  halt(): void {
    this.#halted = true;
    this.#wake();
  }

  async drained(): Promise<void> {
    await Promise.all([...this.#driving.values()].map(({ done }) => done));
  }

  idle(): Promise<void> {
    if (this.#ended) return Promise.resolve();
    this.#slow = 0;
    this.#changed = true;
    return new Promise((resolve) => {
      this.#idlers.push(resolve);
      this.#wake();
    });
  }

  state(): WorkState {
    return {
      driving: this.#driving.size,
      driven: this.#driven,
      failed: this.#failed,
      waiting: this.#backoff.list(),
      unknown: [...this.#unknown].map(([runId, agent]) => ({ runId, agent })),
    };
  }

  async #subscribe(): Promise<void> {
    const { journal, active } = this.#ports.resources;
    const listener = (runId: string) => {
      // what this engine drives changes with every step, and is not due meanwhile
      if (active.has(runId) || this.#driving.has(runId)) return;
      this.#unblock(runId);
      this.#changed = true;
      this.#gathering ??= setTimeout(() => {
        this.#gathering = undefined;
        this.#wake();
      }, this.#gap);
    };
    try {
      await journal.subscribe?.(listener, { signal: this.#subscription.signal });
    } catch {
      // the store is polled
    }
  }

  /** Begins to drive what is due, until nothing is, or the loop drives as many as it may. */
  async #look(): Promise<void> {
    if (performance.now() - this.#polled >= this.#o.every) this.#poll();
    const changed = this.#changed;
    const began = performance.now();
    this.#changed = false;
    if (changed) {
      this.#unknown.clear();
      const now = await this.#ports.resources.host.now();
      if (!((await this.#paused(now)) && (await this.#abandoned(now)))) this.#changed = true;
      const next = await this.#schedules.fire(now, this.#idlers.length > 0, (error) => this.#tell(error));
      this.#soon = Math.min(this.#soon, next);
    }
    const now = await this.#ports.resources.host.now();
    while (!this.#full()) {
      const next = await this.#turns.next(
        (head) => this.#may(head, now) && !this.#blocked.holds(head),
        (tenant) => this.#hasEnough(tenant),
      );
      if (!next || this.#full()) break;
      this.#begin(next, 'queue');
    }
    this.#gap = Math.max(GATHER.least, (performance.now() - began) * GATHER.times);
    if (this.#driving.size > 0 || this.#changed || this.#idlers.length === 0) return;
    await this.#recording;
    if (!this.#changed) for (const resolve of this.#idlers.splice(0)) resolve();
  }

  /** Paused runs that can go on. @returns whether all were seen. */
  async #paused(now: number): Promise<boolean> {
    this.#soon = Number.POSITIVE_INFINITY;
    for await (const head of allDue(this.#ports.resources.journal, { status: 'paused', now: now + this.#o.every })) {
      const at = dueAt(head) ?? 0;
      if (at > now) {
        this.#soon = at;
        return true;
      }
      if (this.#full()) return false;
      if (this.#may(head, now) && !this.#hasEnough(head.tenant)) this.#begin(head, at === 0 ? 'decision' : 'timer');
    }
    return true;
  }

  /** Running runs whose process died, and conversations that are to be recorded. @returns whether all were seen. */
  async #abandoned(now: number): Promise<boolean> {
    const { resources, recorder } = this.#ports;
    const lists: (Iterable<RunHead> | AsyncIterable<RunHead>)[] = [allDue(resources.journal, { status: 'running', now })];
    const slow = performance.now() > this.#slow;
    if (slow) lists.push(await orphans(resources.journal, now));
    for (const list of lists)
      for await (const head of list) {
        if (this.#full()) return false;
        if (this.#may(head, now) && !this.#hasEnough(head.tenant)) this.#begin(head, 'recovery');
      }
    if (!slow) return true;
    this.#slow = performance.now() + SLOW;
    this.#recording = recorder.sweep().catch(() => undefined);
    return true;
  }

  #full(): boolean {
    return this.#halted || this.#ports.resources.closed || this.#driving.size >= this.#o.concurrency;
  }

  #hasEnough(tenant: string | undefined): boolean {
    return (this.#tenants.get(tenant) ?? 0) >= this.#o.perTenant;
  }

  /** Whether the loop may try to drive a run now. */
  #may({ runId, agent }: RunHead, now: number): boolean {
    const { resources } = this.#ports;
    if (this.#driving.has(runId) || resources.active.has(runId) || this.#backoff.holds(runId, now)) return false;
    if (resources.agentOf(runId, agent)) return true;
    if (this.#unknown.size < MOST_UNKNOWN) this.#unknown.set(runId, agent);
    return false;
  }

  #begin(head: RunHead, kind: WorkKind): void {
    const { runId, tenant } = head;
    this.#blocked.session(head, runId);
    this.#tenants.set(tenant, (this.#tenants.get(tenant) ?? 0) + 1);
    const { run, live } = this.#ports.drive(runId);
    const ended = run.then(
      // a run that ended here was claimed here: else another process was faster, or it cannot go on yet
      () => (live?.leased ? this.#succeeded(head) : this.#missed(head, 'RUN_BUSY')),
      (error) => this.#refused(head, error),
    );
    this.#driving.set(runId, { head, done: Promise.resolve(ended).finally(() => this.#left(head)) });
    heard(this.#o.onRun, [{ runId, kind, run }]);
  }

  #left(head: RunHead): void {
    this.#driving.delete(head.runId);
    const { tenant } = head;
    const left = (this.#tenants.get(tenant) ?? 1) - 1;
    if (left > 0) this.#tenants.set(tenant, left);
    else this.#tenants.delete(tenant);
    this.#unblock(head.runId);
    if (this.#idlers.length > 0) this.#changed = true;
    this.#wake();
  }

  #succeeded({ runId }: RunHead): void {
    this.#driven++;
    this.#backoff.clear(runId);
  }

  async #refused(head: RunHead, error: unknown): Promise<void> {
    if (RondoError.is(error, 'ENGINE_CLOSED')) return;
    const behind = detailOf(error, 'SESSION_BUSY', 'runId');
    // it is the turn of another run of its session
    if (behind !== undefined && head.status === 'queued') return this.#wait(head, behind).catch(() => this.#missed(head, 'SESSION_BUSY'));
    if (!RondoError.is(error, 'RUN_BUSY')) {
      this.#failed++;
      this.#tell(error, head.runId);
    }
    await this.#missed(head, engineError(error).code);
  }

  /** Tries a run again later. */
  async #missed(head: RunHead, code: string): Promise<void> {
    // another process has begun it, and maybe the others that were read with it
    if (head.status === 'queued' && code === 'RUN_BUSY') return this.#turns.restart(head.tenant);
    try {
      this.#backoff.failed(head.runId, await this.#ports.resources.host.now(), code);
    } catch {
      this.#backoff.failed(head.runId, Date.now(), code);
    }
  }

  /** Runs that waited for this one may be begun now. */
  #unblock(runId: string): void {
    for (const tenant of this.#blocked.release(runId)) this.#turns.restart(tenant);
  }

  /** It is the turn of another run of the session. */
  async #wait(head: RunHead, behind: string): Promise<void> {
    const { journal, host } = this.#ports.resources;
    const other = await findHead(journal, behind);
    // that one is begun first if it can be: it is listed behind this one if both were enqueued in one millisecond
    const next = other?.status === 'queued' && this.#may(other, await host.now());
    if (next) this.#blocked.run(head, behind);
    else this.#blocked.session(head, behind);
  }

  #tell(error: unknown, runId?: string): void {
    heard(this.#o.onError, [error, runId]);
  }

  /** Waits until something may be due. */
  async #rest(): Promise<void> {
    const { host, closed } = this.#ports.resources;
    if (this.#halted || closed || (this.#changed && !this.#full())) return;
    const now = await host.now();
    const next = Math.min(this.#soon, this.#backoff.next(now)) - now;
    if (await this.#sleep(Math.max(0, Math.min(this.#o.every, next)))) this.#poll();
  }

  /** A store may tell of some changes only, and a busy loop never rests: anything may be due now, and what waited may go on. */
  #poll(): void {
    this.#changed = true;
    this.#polled = performance.now();
    for (const behind of this.#blocked.behind()) if (!this.#driving.has(behind)) this.#unblock(behind);
  }

  /** @returns whether the time is over; false if the loop was woken. */
  #sleep(ms: number): Promise<boolean> {
    if (this.#woken) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (over: boolean) => {
        clearTimeout(timer);
        this.#end = undefined;
        resolve(over);
      };
      const timer = setTimeout(() => end(true), ms);
      this.#end = () => end(false);
    });
  }

  #wake(): void {
    this.#woken = true;
    this.#end?.();
  }
}
