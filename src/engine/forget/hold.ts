/** Holds runs while they are forgotten, so that none of them is resumed, or recorded in a memory. */
import { RondoError } from '../../errors.ts';
import { isOver, type RunFold } from '../../journal/fold/fold.ts';
import { reaches } from '../access.ts';
import { type Leasing, release } from '../drive/lease.ts';
import { newOwner } from '../drive/owner.ts';
import { acquireLease } from '../drive/resume.ts';
import type { Viewer } from '../read/lookup.ts';
import type { Resources } from '../resources.ts';

export class Hold {
  readonly #resources: Resources;
  readonly #viewer: Viewer;
  /** With an owner of its own, because this engine must not resume them either. */
  readonly #as: Leasing;
  readonly #held = new Set<string>();

  constructor(resources: Resources, viewer: Viewer) {
    this.#resources = resources;
    this.#viewer = viewer;
    this.#as = { journal: resources.journal, host: resources.host, owner: newOwner() };
  }

  /**
   * Takes the leases on runs that can go on, and on those of `runs` that are to be recorded; or renews them.
   * @returns whether there are any. @throws RondoError `RUN_BUSY` if another process has one.
   */
  async take(runs: readonly RunFold[], others: readonly RunFold[]): Promise<boolean> {
    const recorded = runs.filter(({ status, outbox }) => status === 'completed' && outbox.size > 0);
    const both = [...recorded, ...[...runs, ...others].filter((run) => !isOver(run))];
    for (const run of both) {
      if (!(await acquireLease(this.#as, run.runId))) throw await this.#busy(run);
      this.#held.add(run.runId);
    }
    return both.length > 0;
  }

  /** Of those that are left. */
  async end(): Promise<void> {
    for (const runId of this.#held) await release(this.#as, runId);
  }

  async #busy(run: RunFold): Promise<RondoError> {
    const { runId, status } = run;
    const doing = status === 'completed' ? 'being recorded in a memory' : 'going on in another process';
    const known = await reaches(this.#resources, 'inspect', this.#viewer, run);
    const which = known ? `run ${runId}` : 'a run that this caller may not inspect';
    const message = `${which} is ${doing}: try again in a moment. No run was forgotten.`;
    return new RondoError('RUN_BUSY', message, known ? { details: { runId } } : {});
  }
}
