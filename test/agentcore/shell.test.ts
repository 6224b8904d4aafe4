import { existsSync } from 'node:fs';
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
