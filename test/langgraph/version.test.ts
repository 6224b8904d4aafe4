import { execFileSync } from 'node:child_process';
import * as checkpoint from '@langchain/langgraph-checkpoint';
import { expect, test } from 'vitest';

/** Only the newer versions say how writes are sorted. */
const isNewer = (module: object) => 'writesSortKey' in module;

test('the versions are those that the project names, in the processes of tests too', () => {
  const newest = process.env.RONDO_PEERS !== 'lowest';
  expect(isNewer(checkpoint), 'what the lock names is not installed: run npm ci').toBe(newest);
  const asked = "const m = await import('@langchain/langgraph-checkpoint'); console.log('writesSortKey' in m)";
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', asked], { cwd: import.meta.dirname, encoding: 'utf8' });
  expect(said.trim()).toBe(String(newest));
});
