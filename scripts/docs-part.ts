// Runs blocks of one page of the docs one after the other, each in a folder of its own: `docs-part.ts FILE...`. It names the one that failed.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { makeWorld } from './docs-world.ts';

await makeWorld();
for (const file of process.argv.slice(2)) {
  process.chdir(mkdtempSync(join(tmpdir(), 'rondo-docs-')));
  try {
    if ((await (await import(pathToFileURL(file).href)).block()) !== 'end') throw new Error('it returned before its end');
  } catch (error) {
    console.error(`${file}\n${(error as Error).stack}`);
    process.exit(1);
  }
}
// a block may leave a server, or a loop that works
process.exit(0);
