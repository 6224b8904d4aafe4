import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { runCommand } from '../../src/adapters/agentcore/sessions/command.ts';
import type { Session } from '../../src/adapters/agentcore/sessions/session.ts';

// vitest fails the file for a rejection that is not handled, which would end a process
test('a pipe that breaks while its reader is busy, or has left, is an error of the reader and of nothing else', async () => {
  for (const leaves of [false, true]) {
    const stdout = new PassThrough();
    const child = { stdout, stderr: new PassThrough(), stdin: null };
    const session = { start: async () => ({ child, exited: Promise.resolve({ code: 0, signal: null }), kill: () => {} }) };
    const events = runCommand(session as unknown as Session, 'true', 60, () => () => {}, new AbortController().signal);
    stdout.write('first');
    expect(await events.next()).toEqual({ done: false, value: { stdout: 'first' } });
    stdout.destroy(new Error('the pipe broke'));
    await new Promise((resolve) => setImmediate(resolve));
    if (leaves) expect(await events.return(undefined)).toEqual({ done: true, value: undefined });
    else await expect(events.next()).rejects.toThrow('the pipe broke');
    await new Promise((resolve) => setImmediate(resolve));
  }
});
