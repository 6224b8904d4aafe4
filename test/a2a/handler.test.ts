import { expect, onTestFinished, test, vi } from 'vitest';
import { a2aHandler, serveA2A } from '../../src/adapters/a2a/index.ts';
import { agent, Engine } from '../../src/index.ts';
import { type Handler, listen } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { refused } from '../kit/runs.ts';
import { connect, output, send } from './client.ts';

const echo = () => agent({ name: 'echo', description: 'Echoes', instructions: '', model: scripted(() => 'echoed') });

test('a2aHandler() serves an agent at the root of a server of yours, with the card that names the public address', async () => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const engine = new Engine();
  let handler: Handler | undefined;
  const server = await listen(async (request) =>
    new URL(request.url).pathname === '/ping' ? new Response('ours') : (handler as Handler)(request),
  );
  const made = a2aHandler(engine, echo(), { path: '/', card: { url: server.url, rest: false } });
  handler = made;
  onTestFinished(async () => {
    made.close();
    await server.close();
    await engine.close();
  });
  const card = await (await fetch(`${server.url}/.well-known/agent-card.json`, { headers: { 'a2a-version': '1.0' } })).json();
  expect((card as { supportedInterfaces: { url: string; protocolBinding: string }[] }).supportedInterfaces).toMatchObject([
    { url: `${server.url}/`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
    { url: `${server.url}/`, protocolBinding: 'JSONRPC', protocolVersion: '0.3' },
  ]);
  expect(output(await send(await connect(server.url), 'hello'))).toBe('echoed');
  expect(await (await fetch(`${server.url}/ping`)).text()).toBe('ours');
});

test('a2aHandler() needs the address that its card names', async () => {
  await using engine = new Engine();
  await refused('CONFIG_INVALID', async () => a2aHandler(engine, echo(), {}));
});

test.each([null, 'all'])('a task belongs to its user or to the tenant: %j is refused', async (tasks) => {
  await using engine = new Engine();
  const card = { url: 'https://agents.example.com' };
  await refused('CONFIG_INVALID', () => a2aHandler(engine, echo(), { card, tasks } as never));
  await refused('CONFIG_INVALID', () => serveA2A(engine, echo(), { card, tasks } as never));
});
