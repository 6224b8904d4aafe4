import { readFileSync } from 'node:fs';

let known: string | undefined;

/**
 * Identifies this boot of the operating system, so that a lease of a process from before a reboot is known to be dead. Empty where the
 * system does not tell (only Linux does).
 */
export function bootId(): string {
  if (known === undefined) {
    try {
      known = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    } catch {
      known = '';
    }
  }
  return known;
}
