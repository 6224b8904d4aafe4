// What must not be left behind: a process that holds a stream, a session that did not start, a job of a server that ended, a second event of a key.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { tokenOf } from '../../src/adapters/agentcore/memory/events.ts';
import { runCommand } from '../../src/adapters/agentcore/sessions/command.ts';
import { sessionHost } from '../../src/adapters/agentcore/sessions/host.ts';
import { movableClock, startAgentCore } from '../../src/adapters/agentcore/wire/index.ts';
import { folder } from '../kit/folder.ts';
import { until } from '../kit/time.ts';

const SERVES = `require('node:http').createServer((q, r) => r.end('{"status":"Healthy","time_of_last_update":1}')).listen(process.env.PORT)`;
const wanted = (id: string, cwd: string) => ({
  runtime: 'r',
  id,
  protocol: 'HTTP' as const,
  idle: 900,
  lifetime: 900,
  program: { command: [process.execPath, '-e', SERVES] as const, cwd, env: {} },
});

test('a session whose start failed starts once the fault is gone', async () => {
  const cwd = folder('left-over');
  const logs = join(cwd, 'file');
  writeFileSync(logs, '');
  const host = sessionHost({ clock: movableClock(), logs: join(logs, 'logs') });
  try {
    await expect(host.enter(wanted('s', cwd))).rejects.toThrow();
    rmSync(logs);
    mkdirSync(logs);
    (await host.enter(wanted('s', cwd))).done();
  } finally {
    await host.close();
  }
});

test('the output of a command ends at its timeout, although a process that left its group holds it', async () => {
  const cwd = folder('left-over');
  const pid = join(cwd, 'pid');
  const host = sessionHost({ clock: movableClock() });
  try {
    const { session, done } = await host.enter(wanted('s', cwd));
    let ring: (() => void) | undefined;
    const after = (_: number, act: () => void) => {
      ring = act;
      return () => undefined;
    };
    const left = runCommand(
      session,
      `setsid sh -c 'echo $$ > "${pid}"; exec sleep 600' & while [ ! -s "${pid}" ]; do sleep 0.01; done; echo begun; wait`,
      1,
      after,
      new AbortController().signal,
    );
    const events = [(await left.next()).value];
    ring?.();
    for await (const event of left) events.push(event);
    expect(events).toEqual([{ stdout: 'begun\n' }, { exitCode: 137, timedOut: true }]);
    done();
  } finally {
    process.kill(Number(readFileSync(pid, 'utf8')), 'SIGKILL');
    await host.close();
  }
});

test('the token of an event is that of its memory, by id and by ARN', () => {
  const arn = 'arn:aws:bedrock-agentcore:us-east-1:123456789012:memory/desk-1234567890';
  expect(tokenOf(arn, 'k')).toBe(tokenOf('desk-1234567890', 'k'));
  expect(tokenOf('desk-1234567891', 'k')).not.toBe(tokenOf('desk-1234567890', 'k'));
});

test.each([false, true])('an extraction that a server left is done by the next one (the memory being updated: %s)', async (updating) => {
  const state = join(folder('left-over'), 'state.db');
  const keys = [{ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }];
  const up = async (start?: number) => {
    const clock = movableClock({ frozen: true, ...(start !== undefined && { start }) });
    const server = await startAgentCore({ clock, throttle: false, state, keys });
    const config = { endpoint: server.url, region: 'us-east-1', credentials: keys[0] as (typeof keys)[0], maxAttempts: 1 };
    return {
      clock,
      server,
      controls: new control.BedrockAgentCoreControlClient(config),
      data: new data.BedrockAgentCoreClient(config),
    };
  };
  const first = await up();
  const { memory } = await first.controls.send(
    new control.CreateMemoryCommand({
      name: 'desk',
      eventExpiryDuration: 30,
      memoryStrategies: [{ semanticMemoryStrategy: { name: 'facts', namespaceTemplates: ['/f/{actorId}/'] } }],
    }),
  );
  const memoryId = memory?.id as string;
  await first.clock.advance(3_000);
  if (updating) await first.controls.send(new control.UpdateMemoryCommand({ memoryId, description: 'x' }));
  await first.data.send(
    new data.CreateEventCommand({
      memoryId,
      actorId: 'a',
      sessionId: 's',
      eventTimestamp: new Date(first.clock.now()),
      payload: [{ conversational: { role: 'USER', content: { text: 'I like tea.' } } }],
    }),
  );
  await first.server.close();
  const second = await up(first.clock.now());
  try {
    await second.clock.advance(60_000);
    // read from outside, because a request about the memory would begin its work
    await until(() => {
      const db = new DatabaseSync(`${state}.memories/${memoryId}.db`, { readOnly: true });
      const { n } = db.prepare('SELECT count(*) AS n FROM record').get() as { n: number };
      db.close();
      return n > 0;
    });
  } finally {
    await second.server.close();
  }
});
