import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { sse } from '../../src/adapters/http/index.ts';
import { agent, Engine, type RunEvent, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A real HTTP server that answers with what `handle` returns. */
async function served(handle: (request: Request) => Response | Promise<Response>): Promise<string> {
  const server = createServer(async (req, res) => {
    const gone = new AbortController();
    res.on('close', () => gone.abort());
    const response = await handle(
      new Request(`http://localhost${req.url}`, { headers: req.headers as Record<string, string>, signal: gone.signal }),
    );
    res.writeHead(response.status, Object.fromEntries(response.headers));
    for await (const chunk of response.body ?? []) res.write(chunk);
    res.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const parse = (text: string) =>
  text
    .split('\n\n')
    .filter((block) => block && !block.startsWith(':'))
    .map((block) =>
      Object.fromEntries(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)])),
    );

const look = () => tool({ name: 'look', description: 'Look', input: z.object({}), effect: 'read', execute: () => 'line one\nline two' });

test('a run streams as events with ids, and a reader who reconnects misses nothing', async () => {
  const engine = new Engine();
  const a = agent({
    name: 'a',
    instructions: '',
    model: scripted([{ toolCalls: [{ name: 'look', input: {} }] }, 'all\ndone']),
    tools: [look()],
  });
  const url = await served((request) => {
    const seen = request.headers.get('last-event-id');
    return sse(seen === null ? engine.run(a, 'go', { id: 'r1' }) : engine.watch('r1', { after: Number(seen) }), { signal: request.signal });
  });
  const response = await fetch(url);
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const all = parse(await response.text());
  expect(all.map((e) => e.event)).toContain('text.delta');
  expect(all.filter((e) => e.event === 'text.delta').every((e) => e.id === undefined)).toBe(true);
  const withId = all.filter((e) => e.id !== undefined);
  expect(withId.at(-1)?.event).toBe('run.ended');
  for (const cut of withId) {
    const rest = parse(await (await fetch(url, { headers: { 'last-event-id': cut.id as string } })).text());
    expect(rest.map((e) => e.id)).toEqual(withId.slice(withId.indexOf(cut) + 1).map((e) => e.id));
  }
  const ended = JSON.parse(withId.at(-1)?.data as string) as RunEvent;
  expect(ended).toMatchObject({ type: 'run.ended', result: { status: 'completed', output: 'all\ndone' } });
});

test('an engine error is told as an event, with its code', async () => {
  const engine = new Engine();
  const url = await served(() => sse(engine.watch('nothing')));
  const [event] = parse(await (await fetch(url)).text());
  expect(event?.event).toBe('error');
  expect(JSON.parse(event?.data as string)).toMatchObject({ code: 'RUN_NOT_FOUND' });
});

test('a reader who leaves ends the stream and not the run', async () => {
  const engine = new Engine();
  let finish = () => {};
  const slow = tool({
    name: 'look',
    description: 'Look',
    input: z.object({}),
    effect: 'read',
    execute: () => new Promise<string>((resolve) => (finish = () => resolve('seen'))),
  });
  const a = agent({ name: 'a', instructions: '', model: scripted([{ toolCalls: [{ name: 'look', input: {} }] }, 'done']), tools: [slow] });
  const run = engine.run(a, 'go');
  const url = await served((request) => sse(run, { signal: request.signal }));
  const response = await fetch(url);
  const reader = response.body?.getReader();
  await reader?.read();
  await reader?.cancel();
  finish();
  expect(await run).toMatchObject({ status: 'completed', output: 'done' });
});
