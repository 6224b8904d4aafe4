import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { bootId } from '../journal/boot.ts';
import { newId } from './ids.ts';

/**
 * The machine as far as process ids mean the same: containers may share a host name and still number their own, and a machine that was
 * started again numbers from the beginning.
 */
function machine(): string {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  } catch {
    // not Linux: there is one
  }
  return `${hostname()}#${namespace}#${bootId()}`;
}

/**
 * When a process began, in ticks of the machine's clock: a process id is given out again, the two together are not. `ended` for one that
 * is only waiting to be reaped, empty where not known.
 */
function startOf(pid: number): string {
  try {
    // the name of the program, in brackets, may hold anything
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : (fields[19] ?? '');
  } catch {
    return '';
  }
}

/** How the owners of this machine begin. */
export const ownersHere = () => `${machine()}/`;

/** Names an engine in claims and leases: `<host>#<process id namespace>#<boot id>/<process id>@<its start>/<random>`. */
export const newOwner = () => `${ownersHere()}${process.pid}@${startOf(process.pid)}/${newId().slice(-8)}`;

/**
 * Whether an owner's process is known to be gone, so that its lease need not be waited for. False where it cannot be known here: on another
 * host, in another container, or before this host was started, since another host may have its name.
 * A mistake costs no effect: the journal's compare-and-set decides who may write.
 */
export function isGone(owner: string | undefined): boolean {
  const [where, id, rest] = owner?.split('/') ?? [];
  if (where !== machine() || !id || !rest) return false;
  const [pid, start] = id.split('@');
  const current = startOf(Number(pid));
  if (start && current !== '') return current !== start;
  if (Number(pid) === process.pid) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
