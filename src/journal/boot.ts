import { fs } from '../node.ts';

let known: string | undefined;

/**
 * Identifies the current boot of the operating system, so that a lease from before a reboot is known to be dead. Only Linux provides it;
 * elsewhere it is empty.
 */
export function bootId(): string {
  if (known === undefined) {
    try {
      known = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    } catch {
      known = '';
    }
  }
  return known;
}
