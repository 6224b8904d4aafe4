/** A secret that was handed out anywhere in a run is told nowhere in it: not by another tool, a server, a model or a peer. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { a2aAgent } from '../../src/adapters/a2a/index.ts';
import { mcpTools } from '../../src/adapters/mcp/index.ts';
import { Engine, foreignAgent, type Identity, memoryJournal, ToolError } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf } from '../kit/journals.ts';
import { asks } from '../kit/runs.ts';
import { settle } from '../kit/time.ts';
import { secret, traces } from './leaks.ts';
import { type Anything, finishedIn, ledgered, loot, onDisk, raw, saying, settled, told } from './setup.ts';

const identity: Identity = { get: async () => ({ token: secret }) };
const none = (what: string | Buffer) => traces.filter((trace) => what.includes(trace));
function clean({ log, bytes, spans, requests, events, result }: Awaited<ReturnType<typeof loot>>): void {
  const said = { log, requests, events, result };
  expect({ disk: none(bytes), spans: none(spans), said: none(JSON.stringify(said)) }).toEqual({ disk: [], spans: [], said: [] });
}
/** Takes the credential, and keeps it for others to find. */
const holder = () => {
  const held = { key: '' };
  const { tool } = ledgered({
    name: 'hold',
    credentials: { key: { provider: 'pay' } },
    execute: (_, { credentials }) => {
      held.key = credentials.key as string;
    },
  });
  return { held, tool };
};

test('another tool of the run, without credentials, leaks it', async () => {
  const { held, tool: hold } = holder();
  const { tool: act } = ledgered({ effect: 'read', retry: { attempts: 1 }, execute: () => ({ [held.key]: [held.key] }) });
  const { tool: fail } = ledgered({
    name: 'fail',
    execute: () => {
      throw new ToolError('REFUSED', `${'x'.repeat(1_990)}${held.key}`);
    },
  });
  const model = scripted([asks(['hold', {}]), asks(['act', {}], ['fail', {}]), 'done']);
  const taken = await loot(model, [hold, act, fail], { engine: { identity } });
  clean(taken);
  expect(finishedIn(taken.log)).toMatchObject([
    { ok: true },
    { output: { '[secret key]': ['[secret key]'] } },
    { error: { code: 'REFUSED' } },
  ]);
});

test('the model says it: in its answer, reasoning, arguments and failure, and in fragments while it streams', async () => {
  const { held, tool: hold } = holder();
  const { tool: act, ledger } = ledgered({ effect: 'read' });
  const model = raw([
    { content: [{ type: 'toolCall', id: 'p', name: 'hold', input: {} }], stop: 'tools' },
    (call: Anything) => {
      for (const letter of `it is ${held.key}!`) call.emit?.({ type: 'text', text: letter });
      call.emit?.({ type: 'reasoning', text: held.key.slice(0, 9) });
      call.emit?.({ type: 'reasoning', text: held.key.slice(9) });
      return {
        content: [
          { type: 'reasoning', text: held.key, vendor: { signature: 'of that text' } },
          { type: 'text', text: `it is ${held.key}!` },
          { type: 'toolCall', id: 'q', name: 'act', input: { [held.key]: Buffer.from(held.key).toString('base64') } },
        ],
        stop: 'tools',
      };
    },
    () => {
      throw new Error(`Incorrect API key provided: ${held.key}`);
    },
  ]);
  const taken = await loot(model, [hold, act], { engine: { identity, reliability: { model: { retry: { attempts: 1 } } } } });
  clean(taken);
  expect(taken.result).toMatchObject({ status: 'failed', error: { message: 'Incorrect API key provided: [secret key]' } });
  const streamed = (type: string) => taken.events.map((e) => (e.type === type && 'text' in e ? e.text : '')).join('');
  expect([streamed('text.delta'), streamed('reasoning.delta')]).toEqual(['it is [secret key]!', '[secret key]']);
  expect(JSON.stringify(ledger)).toContain('[secret key]');
  const answer = taken.log.find((entry) => entry.type === 'model.responded' && entry.step === 2);
  expect(answer).toMatchObject({ content: [{ type: 'reasoning', text: '[secret key]' }, { text: 'it is [secret key]!' }, {}] });
  expect(JSON.stringify(answer)).not.toContain('of that text');
});

test('an MCP server leaks its environment: in descriptions, results, truncated errors, and progress', async () => {
  const server = mcpTools({
    name: 'leaky',
    command: process.execPath,
    args: ['--experimental-strip-types', fileURLToPath(new URL('./leaky-server.ts', import.meta.url))],
    env: { API_KEY: secret },
  });
  const { tool: act } = ledgered({ execute: () => secret });
  const model = scripted([asks(['text', {}], ['structured', {}], ['fails', {}], ['refuses', {}], ['steps', {}], ['act', {}]), 'done']);
  const taken = await loot(model, [server, act]);
  await taken.engine.close();
  clean(taken);
  expect(JSON.stringify(taken.requests[0]?.tools)).toContain('with [secret API_KEY]');
  expect(told(taken.requests[1])).toContain('https://host/?key=[secret API_KEY]');
  expect(finishedIn(taken.log)).toHaveLength(6);
});

test('an A2A peer repeats the token and the headers it was called with', async () => {
  let seen = '';
  const peer = createServer((request, response) => {
    seen = String(request.headers.authorization);
    response.setHeader('content-type', 'application/json');
    const url = `http://127.0.0.1:${(peer.address() as AddressInfo).port}/`;
    if (request.method === 'GET')
      return response.end(
        JSON.stringify({
          name: 'peer',
          description: '',
          version: '1',
          capabilities: {},
          skills: [],
          defaultInputModes: ['text'],
          defaultOutputModes: ['text'],
          supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
        }),
      );
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const message = `${request.headers['x-api-key']} ${seen}`;
      response.end(JSON.stringify({ jsonrpc: '2.0', id: JSON.parse(body).id, error: { code: -32_603, message } }));
    });
  });
  await new Promise<void>((resolve) => peer.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void peer.close());
  // longer than what is kept of an error
  const token = `tok-${'ab12'.repeat(700)}`;
  const remote = a2aAgent(`http://127.0.0.1:${(peer.address() as AddressInfo).port}`, {
    name: 'remote',
    auth: token,
    headers: { 'x-api-key': 'key-9876543210' },
  });
  const disk = onDisk();
  const run = new Engine({ journal: disk.open() }).run(remote, 'go');
  const result = await settled(run);
  expect(seen).toBe(`Bearer ${token}`);
  expect(result).toMatchObject({ status: 'failed' });
  const told = JSON.stringify(result) + disk.bytes();
  for (const trace of [token.slice(0, 8), 'key-98765']) expect(told).not.toContain(trace);
});

test('a foreign agent adds a secret and says it: in its output, its asks, its state, its failure', async () => {
  const journal = memoryJournal();
  let turns = 0;
  const alien = foreignAgent({
    name: 'alien',
    turn: async (_, { secrets, emit }) => {
      secrets.add([['token', secret]]);
      expect(secrets.mask(`a ${secret}`)).toBe('a [secret token]');
      emit?.({ type: 'text', text: `using ${secret}` });
      if (++turns === 1)
        return { status: 'paused', state: { at: secret }, asks: [{ id: 'a', kind: 'question', question: `Is it ${secret}?` }] } as const;
      throw new Error(`not with ${secret}`);
    },
  });
  const heard: unknown[] = [];
  const engine = new Engine({ journal, onEvent: (event) => heard.push(event) });
  const run = engine.run(alien, 'go');
  const paused = await settled(run);
  if (paused.status !== 'paused') throw new Error(paused.status);
  expect(paused.approvals[0]).toMatchObject({ question: 'Is it [secret token]?' });
  await engine.decide(run.id, [{ approval: paused.approvals[0]?.id ?? '', type: 'respond', answer: 'yes' }], { by: { id: 'ben' } });
  const failed = await settled(engine.resume(run.id));
  expect(failed).toMatchObject({ status: 'failed', error: { message: 'not with [secret token]' } });
  await settle(3);
  expect(none(JSON.stringify([heard, await entriesOf(journal, run.id)]))).toEqual([]);
});

test.each([
  ['an error', () => new Error(`bad refresh token ${secret}`), 'the identity failed. Its message is not shown'],
  ['an error of the network', () => Object.assign(new Error(secret), { code: 'ECONNREFUSED', syscall: 'connect' }), '(NETWORK)'],
  ['a text', () => secret, 'the identity failed. Its message is not shown'],
  ['a ToolError, whose author wrote for agents', () => new ToolError('LOCKED', 'the vault is locked'), 'the vault is locked'],
])('an identity that throws %s tells no secret of its own', async (_, thrown, expected) => {
  const failing: Identity = {
    get: async () => {
      throw thrown();
    },
  };
  const { tool } = ledgered({ credentials: { key: { provider: 'pay' } } });
  const taken = await loot(scripted([asks(['act', {}]), 'done']), [tool], { engine: { identity: failing } });
  clean(taken);
  expect(told(taken.requests[1])).toContain(expected);
});

test('a run without secrets is not changed', async () => {
  const { tool } = ledgered({ execute: () => ({ text: '[secret key]', n: 1 }) });
  const model = raw([{ content: [{ type: 'toolCall', id: 'p', name: 'act', input: {} }], stop: 'tools' }, saying('[secret x]')]);
  expect(await loot(model, [tool])).toMatchObject({ result: { output: '[secret x]' } });
});
