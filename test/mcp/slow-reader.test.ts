/** A client that does not read what it is told in the middle of a call. Asked without a port, so that nothing reads for it. */
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { gatewayHandler } from '../../src/adapters/mcp/index.ts';
import { forSlowReader } from '../../src/adapters/mcp/server/slow-reader.ts';
import { Engine, tool } from '../../src/index.ts';
import { all } from '../kit/journals.ts';
import { until } from '../kit/time.ts';
import { sourceOf } from './served.ts';

const TOLD = 2_000;
const LONG = 'x'.repeat(10_000);
const noisy = tool({
  name: 'noisy',
  description: 'Noisy',
  input: z.object({}),
  effect: 'read',
  async execute(_, ctx) {
    for (let progress = 1; progress <= TOLD; progress++) {
      ctx.progress({ progress, message: LONG });
      await new Promise((resolve) => setImmediate(resolve));
    }
    return 'done';
  },
});

const INITIALIZE = {
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
};
const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
const NEW = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'noisy' };

test.each([
  ['without a session', false, '2025-11-25'],
  ['in a session', true, '2025-11-25'],
  ['of 2026-07-28', false, '2026-07-28'],
])('what a call reports is not kept for a client that does not read it, and the answer is: %s', async (_, sessions, version) => {
  const engine = new Engine();
  onTestFinished(() => engine.close());
  const handler = gatewayHandler(engine, sourceOf('noise', [noisy]), { sessions });
  const asked = async (body: object, headers: Record<string, string> = {}) =>
    handler(
      new Request('http://localhost/mcp', {
        method: 'POST',
        headers: { accept: 'application/json, text/event-stream', 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...body }),
      }),
    );
  const first = sessions ? await asked(INITIALIZE) : undefined;
  await first?.text();
  const session = first?.headers.get('mcp-session-id');
  const modern = version === '2026-07-28';
  const params = { name: 'noisy', arguments: {}, _meta: { progressToken: 'p', ...(modern && META) } };
  const headers = modern ? NEW : { 'mcp-protocol-version': version, ...(session && { 'mcp-session-id': session }) };

  const answering = asked({ method: 'tools/call', params }, headers);
  await until(async () => (await all(engine.runs()))[0]?.status === 'completed');
  const told = await (await answering).text();
  expect(told).toContain('notifications/progress');
  expect(told).toContain('"text":"done"');
  expect(told.length).toBeLessThan((TOLD * LONG.length) / 4);
});

test('what is not of a moment is kept, however slow the client', async () => {
  const event = (message: object) =>
    new TextEncoder().encode(`event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`);
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let i = 0; i < 200; i++)
        for (const method of ['notifications/progress', 'elicitation/create'])
          controller.enqueue(event({ method, params: { message: LONG } }));
      controller.enqueue(event({ id: 1, result: {} }));
      controller.close();
    },
  });
  const response = forSlowReader(new Response(source, { headers: { 'content-type': 'text/event-stream' } }));
  await new Promise((resolve) => setImmediate(resolve));
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith('data: '));
  const methods = lines.map((line) => (JSON.parse(line.slice(6)) as { method?: string }).method ?? 'answer');
  expect(methods.filter((method) => method === 'elicitation/create')).toHaveLength(200);
  expect(methods.at(-1)).toBe('answer');
});
