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
  const shell = await openShell(session, 'sh', clock.after);
  const client = () => {
    const own = { heard: 0, waiting: [] as (() => void)[], kicked: () => undefined, exited: () => undefined };
    const output: ShellClient['output'] = (_, bytes, sent) => {
      own.heard += bytes.length;
      own.waiting.push(sent);
    };
    return Object.assign(own, { output });
  };
  const slow = client();
  shell.attach(slow).begin();
  shell.write(Buffer.from('head -c 4000000 /dev/zero | tr "\\0" x; touch "$HOME/written"\n'));
  const written = () => existsSync(join(session.place.cwd, 'written'));
  await until(() => slow.heard > 262_144);
  const { heard } = slow;
  for (const sent of slow.waiting.splice(0)) sent();
  await until(() => slow.heard > heard + 262_144);
  expect(slow.heard).toBeLessThan(1_000_000);
  expect(written()).toBe(false);
  const next = client();
  shell.attach(next).begin();
  await until(() => {
    for (const sent of next.waiting.splice(0)) sent();
    return written();
  });
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
