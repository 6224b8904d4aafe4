/** The times of schedules that started no run, and what operators do with them. */
import { invalid, RondoError } from '../../errors.ts';
import type { Principal } from '../../ports/principal.ts';
import { assertAccess, hasAccess } from '../access.ts';
import type { Resources } from '../resources.ts';
import { enqueueAgent } from './enqueue.ts';
import { aboutFiring, runIdOf, startOf } from './firing.ts';
import { type Miss, type Place, type ScheduleState, ScheduleStore } from './schedule-store.ts';

/** A time that no operator has started or dismissed since. */
export type Missed = Pick<ScheduleState, 'name' | 'agent' | 'input' | 'by'> & Miss;

type Found = { place: Place; state: ScheduleState; miss: Miss };

export class Misses {
  readonly #resources: Resources;
  readonly #store: ScheduleStore | undefined;

  constructor(resources: Resources) {
    this.#resources = resources;
    const { records } = resources.journal;
    this.#store = records && new ScheduleStore(records);
  }

  /** Those of the caller's tenant that it may inspect. */
  async list(by: Principal | undefined): Promise<readonly Missed[]> {
    const found: Missed[] = [];
    for (const { state } of (await this.#store?.list(await this.#resources.host.now())) ?? []) {
      if (state.by.tenant !== by?.tenant) continue;
      const { name, agent, input, by: user } = state;
      for (const miss of state.misses)
        if (isOpen(miss) && (await hasAccess(this.#resources, 'inspect', by, aboutFiring(state, miss.at))))
          found.push({ name, agent, input, by: user, ...miss });
    }
    return found;
  }

  /** @throws RondoError `LETTER_NOT_FOUND`, `NOT_PERMITTED` */
  async dismiss(name: string, at: number, by: Principal, reason: string): Promise<void> {
    const now = await this.#resources.host.now();
    const dismissed = { by: by.id, at: now, reason };
    for (;;) {
      const { state, place, miss } = await this.#find(name, at, by);
      if (await this.#stored().put(closed(state, miss, { dismissed }), place)) return;
    }
  }

  /**
   * Enqueues the run of a missed time, in one append with the note that it was started. @throws RondoError `LETTER_NOT_FOUND`, `NOT_PERMITTED`,
   * `AGENT_NOT_REGISTERED`, and what keeps the run from being enqueued.
   */
  async start(name: string, at: number, by: Principal): Promise<{ runId: string }> {
    const now = await this.#resources.host.now();
    for (;;) {
      const { state, place, miss } = await this.#find(name, at, by);
      const agent = this.#resources.agentOf(`schedule ${name}`, state.agent);
      if (!agent)
        throw new RondoError(
          'AGENT_NOT_REGISTERED',
          `the agent "${state.agent}" of schedule "${name}" is not registered with this engine, so nothing was started: new Engine({ agents: [${state.agent}] }).`,
        );
      const runId = runIdOf(state, at);
      const next = closed(state, miss, { started: { by: by.id, at: now, runId } });
      try {
        const write = (record: Parameters<typeof enqueueAgent>[4]) =>
          enqueueAgent(this.#resources, agent, state.input, startOf(state, at), record);
        if (await this.#stored().put(next, place, write)) return { runId };
      } catch (error) {
        // it was started before, under a schedule of this name that was removed since
        if (!RondoError.is(error, 'RUN_EXISTS')) throw error;
        if (await this.#stored().put(next, place)) return { runId };
      }
    }
  }

  async #find(name: string, at: number, by: Principal): Promise<Found> {
    const place = await this.#stored().find(by.tenant, name);
    const miss = place?.state?.misses.find((one) => one.at === at && isOpen(one));
    if (!place?.state || !miss)
      throw new RondoError('LETTER_NOT_FOUND', `the schedule "${name}" has no missed time ${at} that is open. deadLetters() lists them.`, {
        details: { schedule: name, at },
      });
    await assertAccess(this.#resources, 'decide', by, aboutFiring(place.state, at));
    return { place, state: place.state, miss };
  }

  #stored(): ScheduleStore {
    if (this.#store) return this.#store;
    throw invalid('Schedules are kept in the records of the journal, and this journal has none. Use sqliteJournal() or memoryJournal().');
  }
}

const isOpen = ({ started, dismissed }: Miss) => started === undefined && dismissed === undefined;

const closed = (state: ScheduleState, miss: Miss, how: Pick<Miss, 'started' | 'dismissed'>): ScheduleState => ({
  ...state,
  misses: state.misses.map((one) => (one === miss ? { ...miss, ...how } : one)),
});
