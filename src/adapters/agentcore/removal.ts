import { chmodSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Removes a file, or a folder with all that is in it. What a program made read-only is made writable first, as the module cache of Go has to be. What
 * stays all the same is told: the end of a session or of a memory does not depend on it.
 */
export function removeOrTell(path: string, tell: (message: string) => void): void {
  const remove = () => rmSync(path, { recursive: true, force: true });
  try {
    try {
      remove();
    } catch {
      makeWritable(path);
      remove();
    }
  } catch (error) {
    tell(`${path} could not be removed: ${(error as Error).message}. Remove it yourself.`);
  }
}

/** As far as it goes: the removal tells what stays. */
function makeWritable(folder: string): void {
  try {
    chmodSync(folder, 0o700);
    for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) makeWritable(join(folder, entry.name));
  } catch {
    // a file, or what is another user's
  }
}
