import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** A folder that is gone when the tests of its file have ended. */
export function folder(name: string): string {
  const made = mkdtempSync(join(tmpdir(), `rondo-${name}-`));
  folders.push(made);
  return made;
}
