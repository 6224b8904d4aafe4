/** Agents elsewhere as targets of a gateway: what stands at its door holds for them, and who approves is asked here. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { a2aAgent, serveA2A } from '../../src/adapters/a2a/index.ts';
import { agentcoreRuntime } from '../../src/adapters/agentcore/runtime/index.ts';
import { type GatewayOptions, gateway } from '../../src/adapters/gateway/index.ts';
import { gatewayHandler } from '../../src/adapters/mcp/index.ts';
import { type Agent, agent, approve, Engine, memoryJournal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { folder } from '../kit/folder.ts';
import { asks, failure, shown } from '../kit/runs.ts';
import { auth, call, connected, said, serving } from '../mcp/served.ts';
import { deployed } from './runtime.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const ana = { id: 'ana', tenant: 't' };
const ben = { id: 'ben', tenant: 't', roles: ['lead'] };

interface Elsewhere {
  remote: Agent;
  /** What its tools did. */
  done(): string[];
  /** How often it was asked. */
  asked(): number;
}

/** An agent of a process of its own, which a runtime starts. */
async function runtime(): Promise<Elsewhere> {
  const path = folder('desk');
  const file = join(path, 'done.txt');
  const command = ['node', '--no-warnings', '--import', here('../../scripts/source.ts'), here('fixtures/desk.ts')] as const;
  const { arn, server } = await deployed({}, { binding: { command, env: { DESK_JOURNAL: join(path, 'runs.db'), DESK_DONE: file } } });
  return {
    remote: agentcoreRuntime({ arn, name: 'desk', user: ({ by, decidedBy }) => (decidedBy ?? by)?.id }),
    done: () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []),
    asked: () => server.calls().filter(({ operation }) => operation === 'InvokeAgentRuntime').length,
  };
}

/** The same agent behind A2A. */
async function peer(): Promise<Elsewhere> {
  const done: string[] = [];
  const pay = tool({
    name: 'pay',
    description: 'Pays',
    input: z.object({ cents: z.number() }),
    approval: { reason: 'it is money' },
    execute: ({ cents }) => (done.push(`pay ${cents}`), `paid ${cents}`),
  });
  const model = scripted(({ messages }) => {
    const last = messages.at(-1)?.content[0];
    if (last?.type === 'toolResult') return `Done: ${JSON.stringify(last.output)}`;
    const text = last?.type === 'text' ? last.text : '';
    const cents = /pay (\d+)/.exec(text)?.[1];
    return cents === undefined ? `You said ${text}.` : { toolCalls: [{ name: 'pay', input: { cents: Number(cents) } }] };
  });
  const desk = agent({ name: 'desk', description: 'Pays', instructions: '', model, tools: [pay] });
  const engine = new Engine({ journal: memoryJournal(), agents: [desk] });
  const server = await serveA2A(engine, desk, { auth: 'none', port: 0 });
  onTestFinished(async () => {
    await server.close();
    await engine.close();
  });
  return { remote: a2aAgent(server.url, { name: 'desk', description: 'Pays' }), done: () => done, asked: () => model.requests.length };
}

describe.each([
  ['agentcoreRuntime()', runtime],
  ['a2aAgent()', peer],
])('%s as a target', (_, elsewhere) => {
  /** An agent whose gateway has it. */
  function through({ remote }: Elsewhere, steps: Parameters<typeof scripted>[0], o: Partial<GatewayOptions> = {}) {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    onTestFinished(() => void vi.restoreAllMocks());
    const model = scripted(steps);
    const office = gateway({ name: 'office', targets: { there: [remote] }, ...o });
    const boss = agent({ name: 'boss', instructions: '', model, tools: [office] });
    const engine = new Engine({ journal: memoryJournal(), agents: [boss] });
    onTestFinished(() => engine.close());
    return { boss, engine, model };
  }
  const ask = (task: string) => asks(['there___desk', { task }]);

  test('answers, and an interceptor of the response has the last word', async () => {
    const there = await elsewhere();
    const events: unknown[] = [];
    const { boss, engine, model } = through(there, [ask('hello'), 'done'], {
      interceptors: {
        response({ mcp }) {
          const { body } = mcp.gatewayResponse as never as { body: { result: { content: { text: string }[] } } };
          events.push(body.result.content[0]?.text);
          const result = { content: [{ type: 'text', text: 'masked' }] };
          return { interceptorOutputVersion: '1.0', mcp: { transformedGatewayResponse: { body: { jsonrpc: '2.0', id: 1, result } } } };
        },
      },
    });
    await engine.run(boss, 'go', { by: ana });
    expect(events).toEqual([expect.stringContaining('hello')]);
    expect(shown(model.requests[1])[0]?.text).toBe('masked');
    expect(there.asked()).toBe(1);
  });

  test('is not asked where the policy denies it, or a limit is reached', async () => {
    const there = await elsewhere();
    const limits = [{ dimensionKeys: ['targetName'], entries: [{ requests: [{ rate: 1, period: 'minute' as const }] }] }];
    const { boss, engine, model } = through(there, [ask('pay 9'), ask('hello'), ask('again'), 'done'], {
      policy: { decide: ({ input }) => ({ allow: !JSON.stringify(input).includes('pay'), reason: 'no money' }) },
      rateLimits: limits,
      now: () => 1e12,
    });
    await engine.run(boss, 'go', { by: ana });
    const seen = shown(model.requests[3]);
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'NOT_PERMITTED', outcome: 'not-run' });
    expect(seen.at(-1)?.isError === true && failure(seen.at(-1)).code).toBe('GATEWAY_RATE_LIMITED');
    expect([there.asked(), there.done()]).toEqual([1, []]);
  });

  test('asks for an approval, which is decided at the top, and goes on', async () => {
    const there = await elsewhere();
    const { boss, engine, model } = through(there, [ask('pay 5'), 'done']);
    const paused = await engine.run(boss, 'go', { by: ana });
    if (paused.status !== 'paused') return expect.fail(JSON.stringify(paused));
    expect(paused.approvals).toMatchObject([{ reason: 'it is money' }]);
    expect(there.done()).toEqual([]);
    await engine.decide(paused.runId, [approve(paused.approvals[0] as never)], { by: ben });
    expect(await engine.resume(paused.runId, { by: ana })).toMatchObject({ status: 'completed', output: 'done' });
    expect(shown(model.requests[1])[0]?.text).toContain('paid 5');
    expect(there.done()).toEqual(['pay 5']);
  });

  test('is listed and called by the clients of gatewayHandler()', async () => {
    const { remote } = await elsewhere();
    const { url } = await serving((engine) => gatewayHandler(engine, gateway({ name: 'office', targets: { there: [remote] } }), { auth }));
    const client = await connected(url, { token: 'ana' });
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('there___desk');
    expect(said(await call(client, 'there___desk', { task: 'hello' }))).toContain('hello');
  });
});
