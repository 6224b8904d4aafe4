import { bootId } from '../../journal/boot.ts';
import type { RunHead } from '../../journal/port.ts';
import { fs, os } from '../../node.ts';
import { newId } from './ids.ts';

/**
 * Identifies the scope in which process ids are comparable: host, process id namespace (containers may share a host name) and boot.
 */
function machine(): string {
  let namespace = '';
  try {
    namespace = fs.readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  } catch {
    // not Linux, so there is only one namespace
  }
  return `${os.hostname()}#${namespace}#${bootId()}`;
}

/**
 * The start time of a process, in clock ticks since boot. Process ids are reused, but not together with a start time. `ended` for a
 * zombie process, empty if unknown.
 */
function startOf(pid: number): string {
  try {
    // the program's name, in parentheses, may contain any character
    const fields = fs
      .readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : (fields[19] ?? '');
  } catch {
    return '';
  }
}

/** The common prefix of owners on this machine. */
export const ownersHere = () => `${machine()}/`;

/** What the owners of this process have in common. Asked once: it was three quarters of the time of a new engine. */
let common: string | undefined;

/** A new owner id for claims and leases: `<host>#<process id namespace>#<boot id>/<process id>@<its start>/<random>`. */
export function newOwner(): string {
  common ??= `${ownersHere()}${process.pid}@${startOf(process.pid)}`;
  return `${common}/${newId().slice(-8)}`;
}

/**
 * Whether an owner's process is known to be dead, so that its lease can be ignored. False if that cannot be known here: on another host,
 * in another container, or before the last boot, because another host may have the same name.
 * A mistake is harmless: the journal's compare-and-set decides who may write.
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

/** Whether a process drives the run now, as far as is known here. @param now epoch milliseconds by the store's clock. */
export const isDriven = (head: RunHead | undefined, now: number): boolean =>
  head?.status === 'running' && (head.leaseUntil ?? 0) > now && !isGone(head.owner);
