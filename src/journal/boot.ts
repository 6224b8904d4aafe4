import { readFileSync } from 'node:fs';

let known: string | undefined;

/** Names this start of the operating system; empty where it does not say. */
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
