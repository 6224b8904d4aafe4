/** Who may begin what costs something, when several agents of one run work side by side. */

import { Halted } from '../reliability/patience.ts';
import { callsLeft, crossing, reservation } from './limits.ts';
import type { Crossing, Scope } from './types.ts';

/** A model call that was let in. `land` once what it cost is in the journal, or it was never made. */
export interface Seat {
  land(): void;
}

/**
 * Lets a model call of a sub-agent begin, and reserves the most it can cost. Where the limit leaves no room only because of what
 * others have under way, it waits: they may come to less.
 * @returns the limit that it would cross. Throws Halted where the run was halted meanwhile.
 */
export async function admit(scope: Scope): Promise<Crossing | Seat> {
  for (;;) {
    const found = crossing(scope);
    if (!found) return seat(scope);
    if (found.at.flight.calls === 0) return found;
    await found.at.flight.landed();
    if (scope.halt) throw new Halted();
  }
}

function seat(scope: Scope): Seat {
  const { tokens, usd } = reservation(scope);
  for (let at: Scope | undefined = scope; at; at = at.parent) at.flight.add(tokens, usd);
  return {
    land() {
      for (let at: Scope | undefined = scope; at; at = at.parent) at.flight.remove(tokens, usd);
    },
  };
}

/** The places of tool calls whose start is being written: counted, because others may write at the same moment. */
export class Starts {
  readonly #scope: Scope;
  #taken = 0;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  /** Whether one more may start. */
  take(): boolean {
    const { left, crossing: limited } = callsLeft(this.#scope);
    if (!limited) return true;
    if (left <= 0) return false;
    this.#move(1);
    return true;
  }

  /** What was taken is in the journal now, or will be asked for anew. */
  clear(): void {
    if (this.#taken > 0) this.#move(-this.#taken);
  }

  #move(by: number): void {
    this.#taken += by;
    for (let at: Scope | undefined = this.#scope; at; at = at.parent) at.flight.starts += by;
  }
}
