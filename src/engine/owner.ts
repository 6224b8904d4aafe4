import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { newId } from './ids.ts';

/** The machine as far as process ids mean the same: containers may share a host name and still number their own. */
function machine(): string {
  try {
    return `${hostname()}#${readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')}`;
  } catch {
    return hostname();
  }
}

/** Names an engine in claims and leases: `<machine>/<process id>/<random>`. */
export const newOwner = () => `${machine()}/${process.pid}/${newId().slice(-8)}`;

/**
 * Whether an owner's process is known to be gone, so that its lease need not be waited for. False where nobody here can say.
 * A mistake costs no effect: the journal's compare-and-set decides who may write.
 */
export function isGone(owner: string | undefined): boolean {
  const [where, pid, rest] = owner?.split('/') ?? [];
  if (where !== machine() || !rest || Number(pid) === process.pid) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
