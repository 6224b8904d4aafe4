/** Express, Koa and node:http have requests of Node. They drop a `Response` that they are given back, and the caller would wait for ever. */
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { a2aHandler } from '../../src/adapters/a2a/index.ts';
import { agUiHandler } from '../../src/adapters/ag-ui/index.ts';
import { mcpHandler } from '../../src/adapters/mcp/index.ts';
import { agent, Engine } from '../../src/index.ts';
import { authenticate, eventHandler, readJson, requestHandler } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

const support = agent({ name: 'support', instructions: '', model: scripted(['Hello.']) });
const engine = new Engine();
const secret = `whsec_${Buffer.from('a secret of thirty-two bytes and more').toString('base64')}`;

test.each<[string, (request: Request) => unknown]>([
  ['requestHandler()', requestHandler(engine, support)],
  ['eventHandler()', eventHandler(engine, { secrets: [secret], by: { id: 'mail' } })],
  ['agUiHandler()', agUiHandler(engine, support)],
  ['mcpHandler()', mcpHandler(engine, support)],
  ['a2aHandler()', a2aHandler(engine, support, { card: { url: 'http://127.0.0.1:9000' } })],
  [
    'authenticate()',
    (request) =>
      authenticate(
        request,
        () => ({ id: 'ana' }),
        () => undefined,
      ),
  ],
  ['readJson()', (request) => readJson(request)],
])('%s throws for a request of Node, and says how it is passed on', async (_, handle) => {
  const incoming = Object.assign(new IncomingMessage(new Socket()), { url: '/runs', method: 'POST' });
  incoming.headers = { host: '127.0.0.1', 'content-type': 'application/json' };
  await expect((async () => handle(incoming as unknown as Request))()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('getRequestListener('),
  });
});
