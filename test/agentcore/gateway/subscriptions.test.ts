/** `subscriptions/listen` of 2026-07-28 at a gateway, and what else a request of MCP may have wrong. */
import { expect, test } from 'vitest';
import { until } from '../../kit/time.ts';
import { BINDINGS, posted, refunds, withGateway } from './kit.ts';

const MODERN = '2026-07-28';
const META = {
  'io.modelcontextprotocol/protocolVersion': MODERN,
  'io.modelcontextprotocol/clientInfo': { name: 'a', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
const headersOf = (method: string, name?: string) => ({
  'mcp-protocol-version': MODERN,
  'mcp-method': method,
  ...(name !== undefined && { 'mcp-name': name }),
});

async function desk() {
  const found = await withGateway(
    { authorizerType: 'NONE', protocolConfiguration: { mcp: { supportedVersions: [MODERN, '2025-11-25'] } } },
    { bindings: BINDINGS },
  );
  await found.target(refunds());
  return found;
}

/** A subscription that ends, and the messages in it. */
async function listening(url: string, notifications: object) {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headersOf('subscriptions/listen'),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'subscriptions/listen', params: { notifications, _meta: META } }),
  });
  const told = [...(await response.text()).matchAll(/^data: (\{.*)$/gm)].map(([, data = '']) => JSON.parse(data));
  return { response, told };
}

test('a subscription is told that there is nothing to listen to, and ends, also at a gateway that does not stream', async () => {
  const { url, target, server } = await desk();
  const discovered = await posted(url, { id: 9, method: 'server/discover', params: { _meta: META } }, headersOf('server/discover'));
  expect(discovered.body).toMatchObject({ result: { capabilities: { tools: { listChanged: false } } } });
  const { response, told } = await listening(url, { toolsListChanged: true });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/event-stream')]);
  expect(told).toMatchObject([
    { method: 'notifications/subscriptions/acknowledged', params: { notifications: {} } },
    { id: 1, result: { resultType: 'complete' } },
  ]);
  await target(refunds('More'));
  const { body } = await posted(url, { id: 2, method: 'tools/list', params: { _meta: META } }, headersOf('tools/list'));
  expect(body.result.tools.map(({ name }: { name: string }) => name)).toEqual(['Refund___process', 'More___process']);
  const logged = () => server.calls().filter(({ operation }) => operation === 'InvokeGateway subscriptions/listen');
  await until(() => logged().length > 0);
  expect(logged()).toMatchObject([{ status: 200 }]);
});

test.each<[string, object]>([
  ['no filter', {}],
  ['a filter of a wrong shape', { notifications: 7 }],
  ['resources that are not named by texts', { notifications: { resourceSubscriptions: [7] } }],
])('%s is refused as parameters', async (_, params) => {
  const { url } = await desk();
  const asked = { id: 1, method: 'subscriptions/listen', params: { ...params, _meta: META } };
  const { body } = await posted(url, asked, headersOf('subscriptions/listen'));
  expect(body).toMatchObject({ id: 1, error: { code: -32_602 } });
});

test('a related task of a wrong shape is refused as parameters, in both revisions', async () => {
  const { url } = await desk();
  const begun = await posted(url, {
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a', version: '1' } },
  });
  const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') as string };
  const name = 'Refund___process';
  for (const task of [7, null, {}, { taskId: 7 }]) {
    const params = { name, arguments: { amount: 1 }, _meta: { 'io.modelcontextprotocol/related-task': task } };
    const refused = { id: 2, error: { code: -32_602, message: expect.stringContaining('related-task') } };
    expect((await posted(url, { id: 2, method: 'tools/call', params }, session)).body).toMatchObject(refused);
    const modern = { id: 2, method: 'tools/call', params: { ...params, _meta: { ...META, ...params._meta } } };
    expect((await posted(url, modern, headersOf('tools/call', name))).body).toMatchObject(refused);
  }
});
