/**
 * Schedules: runs that start at the times of a cron pattern.
 *
 * I1. The id of a run is a hash of tenant, name and time, so no time starts two runs, however many processes serve it.
 * I2. A run is enqueued in one append with the state of its schedule, which moves on. So a time is served or not, and by one process.
 * I3. No time at or before the last one that was served is served again.
 */
import { invalid, RondoError } from '../../errors.ts';
import { OPEN_STATUSES } from '../../journal/entries/status.ts';
import type { Json } from '../../json.ts';
import { agentDefinition } from '../../loop/definition.ts';
import type { Agent } from '../../loop/types.ts';
import { checkOptions, plain } from '../../options.ts';
import { checkBy, isName, type Principal, principal } from '../../ports/principal.ts';
import { assertAccess, hasAccess } from '../access.ts';
import { keptLimits } from '../drive/drive.ts';
import { firstEntry } from '../drive/start.ts';
import type { ContextOption } from '../options.ts';
import { findHead } from '../read/lookup.ts';
import type { Resources } from '../resources.ts';
import { type Times, timesOf } from './cron.ts';
import { enqueueAgent } from './enqueue.ts';
import { aboutNext, runIdOf, startOf } from './firing.ts';
import { type Kept, type Miss, type ScheduleState, ScheduleStore } from './schedule-store.ts';

/** `C`: the context that the agent's tools need. It is stored with the schedule, so it must not contain secrets. */
// biome-ignore lint/complexity/noBannedTypes: `{}` is "needs no context"
export type ScheduleOptions<C = {}> = {
  /** Five or six fields, as of cron; or one date as ISO 8601, of the time zone where it has no offset. */
  cron: string;
  /** An IANA name, such as `Europe/Berlin`. Default `UTC`. */
  timezone?: string;
  /** Stored by its name. It must be registered in the processes that serve the schedule. */
  // biome-ignore lint/suspicious/noExplicitAny: agents of every input and output
  agent: Agent<any, any, C>;
  /** The same for each run. */
  input: Json;
  /** The principal of the runs. They have no token of the user: tools that need one ask the engine's identity. */
  by: Principal;
  /** If the previous run is still open: start none (`skip`, the default), or one run after it has ended. */
  overlap?: 'skip' | 'queue';
  /** How many times that passed while no process worked are made up for: the newest. Default 1. */
  catchUp?: number;
} & ContextOption<NoInfer<C>>;

/** A schedule. Plain JSON; times are epoch milliseconds. The newest 20 `misses` are listed. */
export interface Schedule extends Omit<ScheduleState, 'last' | 'run' | 'refused'> {
  /** The newest run. */
  runId?: string;
  /** Why it starts no run: `AGENT_NOT_REGISTERED` here, or the newest one was refused. */
  problem?: { code: string; message: string };
}

const OPTIONS = {
  cron: "cron: '0 9 * * 1-5'",
  timezone: "timezone: 'Europe/Berlin'",
  agent: 'agent: support',
  input: "input: 'Sum up the day'",
  by: "by: { id: 'ana' }",
  context: "context: { tenant: 'acme' }",
  overlap: "overlap: 'queue'",
  catchUp: 'catchUp: 1',
} satisfies Record<keyof ScheduleOptions, string>;

/** What a schedule keeps that is replaced. */
type Progress = Partial<ScheduleState> & Pick<ScheduleState, 'missed' | 'misses'>;

/** Milliseconds up to which a time counts as served in time. */
const LATE = 60_000;
/** Most passed times that are counted at once. */
const MOST_COUNTED = 1_000;
const MOST_LISTED = 20;
/** Milliseconds after which the schedules are read again, for those of other processes. */
const EVERY = 1_000;
const MOST_CAUGHT_UP = 100;

export class Schedules {
  readonly #resources: Resources;
  readonly #store: ScheduleStore | undefined;
  readonly #times = new Map<string, Promise<Times>>();
  #soon = Number.NEGATIVE_INFINITY;
  #readAgain = 0;

  constructor(resources: Resources) {
    this.#resources = resources;
    const { records } = resources.journal;
    this.#store = records && new ScheduleStore(records);
  }

  /** @see Operations.schedule */
  async put(name: string, o: ScheduleOptions<Json>): Promise<Schedule> {
    if (!isName(name)) throw invalid('schedule(): the name is a text of 1 to 500 characters.');
    const where = `schedule "${name}"`;
    checkOptions(o, OPTIONS, where);
    const { cron, timezone = 'UTC', overlap = 'skip', catchUp = 1 } = o;
    if (typeof cron !== 'string' || typeof timezone !== 'string') throw invalid(`${where}: cron and timezone are texts.`);
    if (overlap !== 'skip' && overlap !== 'queue') throw invalid(`${where}: overlap is 'skip' or 'queue'.`);
    if (!(Number.isInteger(catchUp) && catchUp >= 0 && catchUp <= MOST_CAUGHT_UP))
      throw invalid(`${where}: catchUp is a whole number from 0 to ${MOST_CAUGHT_UP}.`);
    if (!o.by) throw invalid(`${where} needs by: the user on whose behalf its runs start, such as { id: 'ana' }.`);
    checkBy(o.by, where);
    const agent = agentDefinition(o.agent);
    const input = plain(o.input, `the input of ${where}`);
    const { context } = firstEntry(this.#resources, agent, input, o);
    keptLimits(this.#resources, agent, {});
    const times = await this.#timesOf(cron, timezone, where);
    const now = await this.#resources.host.now();
    const store = this.#stored();
    for (;;) {
      const kept = await store.find(o.by.tenant, name);
      const before = kept?.state;
      const same = before && before.cron === cron && before.timezone === timezone;
      const last = Math.max(before?.last ?? 0, same ? 0 : now);
      const next = same ? before.next : times.next(last);
      if (!same && next === undefined) throw invalid(`${where}: the cron pattern "${cron}" has no time after now.`);
      const { refused: _, next: _n, context: _c, ...progress }: Progress = before ?? { missed: 0, misses: [] };
      const state: ScheduleState = {
        ...progress,
        name,
        agent: agent.name,
        input,
        by: principal(o.by),
        cron,
        timezone,
        overlap,
        catchUp,
        last,
      };
      if (context !== undefined) state.context = context;
      if (next !== undefined) state.next = next;
      if (before) await assertAccess(this.#resources, 'decide', o.by, aboutNext(before));
      await assertAccess(this.#resources, 'run', o.by, aboutNext(state));
      if (await store.put(state, kept)) return this.#view(state);
    }
  }

  /** @see Operations.schedules */
  async list(by: Principal | undefined): Promise<readonly Schedule[]> {
    const all = (await this.#store?.list(await this.#resources.host.now())) ?? [];
    const visible: Schedule[] = [];
    for (const { state } of all)
      if (state.by.tenant === by?.tenant && (await hasAccess(this.#resources, 'inspect', by, aboutNext(state))))
        visible.push(this.#view(state));
    return visible.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @see Operations.unschedule */
  async remove(name: string, by: Principal | undefined): Promise<boolean> {
    const store = this.#stored();
    for (;;) {
      const kept = await store.find(by?.tenant, name);
      if (!kept?.state) return false;
      await assertAccess(this.#resources, 'decide', by, aboutNext(kept.state));
      if (await store.remove(kept, await this.#resources.host.now())) return true;
    }
  }

  /**
   * Enqueues the runs of the times that have come. An error of one schedule does not keep the others.
   * @param look reads the store even if the last reading says that none is due.
   * @returns when the next one is due, epoch milliseconds; infinity if there is none.
   */
  async fire(now: number, look: boolean, tell: (error: unknown) => void): Promise<number> {
    if (!look && now < this.#soon && performance.now() < this.#readAgain) return this.#soon;
    this.#readAgain = performance.now() + EVERY;
    let soon = Number.POSITIVE_INFINITY;
    for (const kept of (await this.#store?.list(now)) ?? []) {
      try {
        const next = await this.#serve(kept, now);
        if (next !== undefined && next > now) soon = Math.min(soon, next);
      } catch (error) {
        if (this.#resources.closed) throw error;
        tell(error);
      }
    }
    this.#soon = soon;
    return soon;
  }

  /** @returns the next time. */
  async #serve(first: Kept, now: number): Promise<number | undefined> {
    for (let kept: Kept | undefined = first; kept; ) {
      if (!this.#agentOf(kept.state)) return kept.state.next;
      const served = await this.#held(kept, now);
      if (served) return served.state.next;
      // another process was faster: serve what is left
      const { by, name } = first.state;
      const found = await this.#stored().find(by.tenant, name);
      kept = found?.state && { ...found, state: found.state };
    }
    return undefined;
  }

  /** Serves the time that waited for the end of a run, and those that have come. @returns undefined if another process was faster. */
  async #held(kept: Kept, now: number): Promise<Kept | undefined> {
    const { held, ...state } = copyOf(kept.state);
    const free = held !== undefined && !(await this.#isOpen(state.run));
    const after = free ? await this.#start(state, held, kept) : kept;
    return after && this.#catchUp(after, now);
  }

  /** Serves the times that have come. @returns undefined if another process was faster. */
  async #catchUp(first: Kept, now: number): Promise<Kept | undefined> {
    const { next = Number.POSITIVE_INFINITY, cron, timezone, name, catchUp } = first.state;
    if (next > now) return first;
    const times = await this.#timesOf(cron, timezone, `schedule "${name}"`);
    const { passed, uncounted } = passedTimes(times, next, now);
    const late = passed.filter((at) => at < now - LATE);
    const lost = late.slice(0, Math.max(0, late.length - catchUp));
    let kept = first;
    let state = copyOf(first.state);
    state.missed += uncounted;
    for (const at of lost) miss(state, at, 'late');
    moveOn(state, lost.at(-1), times);
    for (const at of passed.slice(lost.length)) {
      moveOn(state, at, times);
      if (!(await this.#isOpen(state.run))) {
        const started = await this.#start(state, at, kept);
        if (!started) return undefined;
        kept = started;
        state = copyOf(started.state);
      } else if (state.overlap === 'queue' && state.held === undefined) state.held = at;
      else miss(state, at, 'overlap');
    }
    return state.last === kept.state.last ? kept : this.#stored().put(state, kept);
  }

  /** Enqueues the run of a time, and stores the state with it. @returns undefined if another process was faster. */
  async #start(state: ScheduleState, at: number, kept: Kept): Promise<Kept | undefined> {
    const store = this.#stored();
    const agent = this.#agentOf(state);
    const { refused: _, ...rest } = state;
    if (!agent) return undefined;
    const id = runIdOf(state, at);
    const started: ScheduleState = { ...rest, run: id };
    try {
      return await store.put(started, kept, (record) => enqueueAgent(this.#resources, agent, state.input, startOf(state, at), record));
    } catch (error) {
      if (!RondoError.is(error)) throw error;
      // the schedule was removed and made again, and the clock was set back
      if (error.code === 'RUN_EXISTS') return store.put(started, kept);
      if (!REFUSED.has(error.code)) throw error;
      const missed = { ...rest, misses: [...rest.misses], refused: { code: error.code, message: error.message } };
      miss(missed, at, 'refused');
      return store.put(missed, kept);
    }
  }

  async #isOpen(runId: string | undefined): Promise<boolean> {
    const head = runId === undefined ? undefined : await findHead(this.#resources.journal, runId);
    return head !== undefined && OPEN_STATUSES.has(head.status);
  }

  #agentOf({ agent, name }: ScheduleState) {
    return this.#resources.agentOf(`schedule ${name}`, agent);
  }

  #timesOf(cron: string, timezone: string, where: string): Promise<Times> {
    const key = JSON.stringify([cron, timezone]);
    const known = this.#times.get(key) ?? timesOf(cron, timezone, where);
    this.#times.set(key, known);
    known.catch(() => this.#times.delete(key));
    return known;
  }

  #stored(): ScheduleStore {
    if (this.#store) return this.#store;
    throw invalid('Schedules are kept in the records of the journal, and this journal has none. Use sqliteJournal() or memoryJournal().');
  }

  #view(state: ScheduleState): Schedule {
    const { last: _, run, refused, ...view } = state;
    const problem = this.#agentOf(state) ? refused : unregistered(state);
    return { ...view, misses: [...view.misses], ...(run !== undefined && { runId: run }), ...(problem && { problem }) };
  }
}

/** Errors that another attempt would get too. */
const REFUSED: ReadonlySet<string> = new Set(['NOT_PERMITTED', 'INPUT_REFUSED', 'CONFIG_INVALID']);

const copyOf = (state: ScheduleState): ScheduleState => ({ ...state, misses: [...state.misses] });

function miss(state: ScheduleState, at: number, why: Miss['why']): void {
  state.missed++;
  state.misses.push({ at, why });
  if (state.misses.length > MOST_LISTED) state.misses.shift();
}

/** The schedule has served this time. */
function moveOn(state: ScheduleState, at: number | undefined, times: Times): void {
  if (at === undefined) return;
  state.last = at;
  const next = times.next(at);
  if (next !== undefined) state.next = next;
  else delete state.next;
}

/** The times from `next` to now, and how many more there are. */
function passedTimes(times: Times, next: number, now: number): { passed: readonly number[]; uncounted: number } {
  const due: number[] = [];
  for (let at: number | undefined = next; at !== undefined && at <= now && due.length < MOST_COUNTED; at = times.next(at)) due.push(at);
  if (due.length < MOST_COUNTED) return { passed: due, uncounted: 0 };
  // too many to list them all: the newest count
  const passed = times.last(MOST_CAUGHT_UP, now).filter((at) => at >= next);
  return { passed, uncounted: Math.max(0, due.length - passed.length) };
}

const unregistered = ({ agent }: ScheduleState) => ({
  code: 'AGENT_NOT_REGISTERED',
  message: `the agent "${agent}" is not registered with this engine: new Engine({ agents: [${agent}] }). The times wait for it.`,
});
