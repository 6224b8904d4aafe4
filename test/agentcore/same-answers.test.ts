/** The app of the official SDK and `serve()`, each as the program of a session, answer alike, but for what is known. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { KNOWN } from './known-differences.ts';
import { call, deployed } from './runtime.ts';
import { CALLS, CUSTOM, differences, programOf, type Told } from './same-answers.ts';

const program = (name: string) =>
  ['node', '--import', join(process.cwd(), 'scripts/source.ts'), fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))] as const;
const COMMANDS = { theirs: program('sdk-app.ts'), ours: program('answering.ts') };

/** What the program answers to each call. */
async function answersOf(command: readonly [string, ...string[]]): Promise<Record<string, Told>> {
  const of = await deployed({ requestHeaderConfiguration: { requestHeaderAllowlist: [CUSTOM, 'x-team'] } }, { binding: { command } });
  await call(of, 'one', { prompt: 'hi' });
  const running = programOf(of);
  const answers: Record<string, Told> = {};
  // one after the other: a session takes one turn at a time
  for (const [name, [, made]] of Object.entries(CALLS)) answers[name] = await made(running);
  return answers;
}

test('the app of the official SDK and serve() answer the same calls alike, but for the known differences', async () => {
  const [theirs, ours] = [await answersOf(COMMANDS.theirs), await answersOf(COMMANDS.ours)];
  expect(Object.entries(ours).map(([name, { status }]) => [name, status])).toEqual(
    Object.entries(CALLS).map(([name, [status]]) => [name, status]),
  );
  const found = Object.keys(CALLS).flatMap((name) =>
    differences(theirs[name] as Told, ours[name] as Told).map((what) => `${name}, ${what}`),
  );
  const known = KNOWN.flatMap(({ differs }) =>
    differs.flatMap(([names, whats]) => names.flatMap((name) => whats.map((what) => `${name}, ${what}`))),
  );
  expect(found.sort()).toEqual(known.sort());
});

test('the page of the runtime has each known difference with its reason', () => {
  const page = readFileSync(new URL('../../docs/agentcore/runtime.md', import.meta.url), 'utf8');
  const [section = ''] = page.split("\n## Beside the SDK's app\n")[1]?.split('\n## ') ?? [];
  const rows = section.split('\n').filter((line) => /^\| [^|]/.test(line) && !line.startsWith('| | '));
  expect(rows.map((row) => row.split(' | ')).map((cells) => [cells[0]?.slice(2), cells.at(-1)?.slice(0, -2)])).toEqual(
    KNOWN.map(({ what, because }) => [what, because]),
  );
});
