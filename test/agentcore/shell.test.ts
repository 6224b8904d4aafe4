import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openShell, type ShellClient } from '../../src/adapters/agentcore/sessions/shell.ts';
import { until } from '../kit/time.ts';
import { start, wanted } from './sessions.ts';

test('a shell keeps the newest 256 KB for a client that comes back, and counts the rest', async () => {
  const { host, clock } = start();
  const { session, done } = await host.enter(wanted('one'));
  const shell = await openShell(session, 'sh', clock.after);
  let heard = '';
  const client: ShellClient = {
    output: (_, bytes) => {
      heard += Buffer.from(bytes).toString();
    },
    exited: () => undefined,
    kicked: () => undefined,
  };
  // the pipe holds at most 64 KB of what the shell wrote before the mark: the rest has come here
  shell.write(Buffer.from('head -c 1000000 /dev/zero | tr "\\0" x; touch "$HOME/written"; echo; echo end\n'));
  await until(() => existsSync(join(session.place.cwd, 'written')));
  const { reconnected, dropped, begin } = shell.attach(client);
  expect(reconnected).toBe(false);
  expect(dropped).toBeGreaterThan(600_000);
  begin();
  await until(() => heard.endsWith('end\n'));
  expect(heard.length + dropped).toBe(1_000_000 + '\nend\n'.length);
  expect(shell.attach(client)).toMatchObject({ reconnected: true, dropped: 0 });
  done();
});

test('a shell waits for a client that does not read, and goes on for the next one', async () => {
  const { host, clock } = start();
  const { session, done } = await host.enter(wanted('one'));
  /** A client of a shell that says 4 MB. @param reads whether it takes them. */
  async function client(id: string, reads: boolean) {
    const own = { heard: 0, waiting: [] as (() => void)[] };
    const shell = await openShell(session, id, clock.after);
    const output: ShellClient['output'] = (_, bytes, sent) => {
      own.heard += bytes.length;
      if (reads) sent();
      else own.waiting.push(sent);
    };
    shell.attach({ output, exited: () => undefined, kicked: () => undefined }).begin();
    return { own, shell };
  }
  const SAYS = Buffer.from('head -c 4000000 /dev/zero | tr "\\0" x\n');
  const slow = await client('slow', false);
  slow.shell.write(SAYS);
  await until(() => slow.own.heard > 262_144);
  // a while in which as much is said twice
  const fast = await client('fast', true);
  for (const bytes of [SAYS, SAYS]) fast.shell.write(bytes);
  await until(() => fast.own.heard === 8_000_000);
  expect(slow.own.heard).toBeLessThan(1_000_000);
  const { heard } = slow.own;
  for (const sent of slow.own.waiting.splice(0)) sent();
  await until(() => slow.own.heard > heard);
  const before = slow.own.heard;
  const next = await client('slow', true);
  // what is behind the pipe comes, and no byte twice
  await until(() => before + next.own.heard === 4_000_000);
  done();
});

test('a client that writes more than the shell reads is told when it may go on', async () => {
  const { host, clock } = start();
  const { session, done } = await host.enter(wanted('one'));
  const shell = await openShell(session, 'sh', clock.after);
  const go = join(session.place.cwd, 'go');
  shell.write(Buffer.from('until [ -e "$HOME/go" ]; do sleep 0.02; done; cat > /dev/null\n'));
  const piece = Buffer.alloc(60_000, 'x');
  let pieces = 0;
  let taken = 0;
  for (; taken === pieces && pieces < 100; pieces++) shell.write(piece, () => taken++);
  expect(pieces).toBeLessThan(10);
  writeFileSync(go, '');
  await until(() => taken === pieces);
  shell.kill();
  done();
});
