import type { RunHead } from '../../journal/port.ts';

/** Sessions, and single queued runs, whose turn comes only when another run of the session has ended. */
export class Blocked {
  readonly #keys = new Map<string, { tenant: string | undefined; behind: string }>();

  holds(head: RunHead): boolean {
    return this.#keys.has(sessionOf(head)) || this.#keys.has(alone(head));
  }

  /** No queued run of the session is begun until this run has ended. */
  session(head: RunHead, behind: string): void {
    if (head.session !== undefined) this.#keys.set(sessionOf(head), { tenant: head.tenant, behind });
  }

  /** Only this queued run waits, so that the one it waits for can be begun. */
  run(head: RunHead, behind: string): void {
    this.#keys.delete(sessionOf(head));
    this.#keys.set(alone(head), { tenant: head.tenant, behind });
  }

  /** @returns the tenants of what waited for this run. */
  release(behind: string): readonly (string | undefined)[] {
    const tenants: (string | undefined)[] = [];
    for (const [key, waits] of this.#keys) {
      if (waits.behind !== behind) continue;
      this.#keys.delete(key);
      tenants.push(waits.tenant);
    }
    return tenants;
  }

  /** The runs that are waited for. */
  behind(): readonly string[] {
    return [...this.#keys.values()].map(({ behind }) => behind);
  }
}

/** The key of a single run. */
const alone = ({ runId }: RunHead) => ` ${runId}`;

const sessionOf = (head: RunHead) => (head.session === undefined ? alone(head) : JSON.stringify([head.tenant ?? null, head.session]));
