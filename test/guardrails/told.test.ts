/** Behind a guardrail of outputs: what browsers, front ends, peers and backends of telemetry are told. */
import { context, diag } from '@opentelemetry/api';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { serveA2A } from '../../src/adapters/a2a/index.ts';
import { serveAgUi } from '../../src/adapters/ag-ui/index.ts';
import { agent, Engine, type Guardrail, tool } from '../../src/index.ts';
import { serve } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { registerSpans, unregister } from '../telemetry/sdk.ts';
import { blocking, masking, SECRET } from './setup.ts';

afterEach(() => {
  unregister();
  diag.disable();
  context.disable();
});

const talker = () =>
  agent({ name: 'talker', description: 'Talks', instructions: '', model: scripted(() => `the word is ${SECRET}, is it not`) });

async function streamed(url: string, body: unknown): Promise<string> {
  const headers = { 'content-type': 'application/json', accept: 'text/event-stream' };
  return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).text();
}

const SERVERS: [string, (engine: Engine) => Promise<{ url: string; close(): Promise<void> }>, (url: string) => Promise<string>][] = [
  [
    'server-sent events',
    (engine) => serve(engine, talker()),
    async (url) => {
      const { runId } = JSON.parse(await streamed(`${url}/runs`, { input: 'go' })) as { runId: string };
      return (await fetch(`${url}/runs/${runId}/events`)).text();
    },
  ],
  [
    'AG-UI',
    (engine) => serveAgUi(engine, talker()),
    (url) =>
      streamed(url, {
        threadId: 't',
        runId: 'r',
        state: {},
        messages: [{ id: 'm', role: 'user', content: 'go' }],
        tools: [],
        context: [],
        forwardedProps: {},
      }),
  ],
  [
    'A2A',
    (engine) => serveA2A(engine, talker()),
    (url) =>
      streamed(`${url}/a2a`, {
        jsonrpc: '2.0',
        id: 1,
        method: 'message/stream',
        params: { message: { kind: 'message', role: 'user', messageId: 'm', parts: [{ kind: 'text', text: 'go' }] } },
      }),
  ],
];

test.each(SERVERS)('%s carry the masked text, and no byte of what was not checked', async (_, open, read) => {
  const bytesOf = async (guardrails: readonly Guardrail[]) => {
    const engine = new Engine({ guardrails });
    const server = await open(engine);
    onTestFinished(async () => {
      await server.close();
      await engine.close();
    });
    return read(server.url);
  };
  // streamed in pieces: the words are there without a guardrail, whole only at the end
  expect(await bytesOf([])).toContain(SECRET);
  const masked = await bytesOf([masking({ points: ['output'] })]);
  expect(masked).toContain('[FISH]');
  expect(masked).not.toMatch(/sword|fish/);
  const blocked = await bytesOf([blocking({ points: ['output'] })]);
  expect(blocked).toMatch(/no fish|failed/);
  expect(blocked).not.toMatch(/sword|the word/);
});

test('the spans of a run have each verdict, without what was found', async () => {
  const sdk = registerSpans();
  const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => SECRET });
  const a = agent({ name: 'a', instructions: '', model: scripted([asks(['look', {}]), 'done']), tools: [look] });
  const failing = { name: 'failing', points: ['output'] as const, check: () => Promise.reject(new Error(SECRET)) };
  await ends(
    new Engine({ guardrails: [masking({ points: ['input', 'result'] }), failing], telemetry: { content: true } }).run(a, SECRET),
    'failed',
  );
  const events = sdk.spans().flatMap((span) => span.events.filter((e) => e.name === 'rondo.guardrail.ruled').map((e) => e.attributes));
  const masked = { 'rondo.guardrail.name': 'masking', 'rondo.guardrail.action': 'mask', 'rondo.guardrail.findings': ['FISH'] };
  expect(events).toEqual([
    { ...masked, 'rondo.guardrail.point': 'input' },
    { ...masked, 'rondo.guardrail.point': 'result', 'rondo.call.id': expect.any(String) },
    {
      'rondo.guardrail.name': 'failing',
      'rondo.guardrail.action': 'block',
      'rondo.guardrail.point': 'output',
      'error.type': 'GUARDRAIL_FAILED',
    },
  ]);
  expect(JSON.stringify(sdk.spans().map(({ attributes, events, status }) => [attributes, events, status]))).not.toContain(SECRET);
});
