/** One program, without settings and with those of AgentCore: `agentcore()` decides by them alone where its parts are. */
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { afterEach, expect, test, vi } from 'vitest';
import { agentcore } from '../../src/adapters/agentcore/index.ts';
import { keyFile, localIdentity, sqliteVault } from '../../src/adapters/identity/index.ts';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { facts, sqliteMemory } from '../../src/adapters/memory/index.ts';
import { agent, Engine, jsonSchema, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { folder } from '../kit/folder.ts';
import { asks, ends, refused } from '../kit/runs.ts';
import { start } from './identity/server.ts';

const by = { id: 'ana', tenant: 'acme' };
afterEach(() => vi.unstubAllEnvs());

/** The program. @param env its settings. @returns what its tool saw, and what is remembered. */
async function program(env: { MEMORY_ID?: string; WORKLOAD?: string }) {
  const dir = folder('parts');
  let made = 0;
  const parts = agentcore({
    journal: { table: '', local: () => sqliteJournal(`${dir}/runs.db`) },
    memory: {
      memoryId: env.MEMORY_ID,
      namespaces: ['/notes/{actorId}/'],
      local: () => (made++, sqliteMemory(`${dir}/memory.db`, { strategies: [facts()] })),
    },
    identity: {
      workload: env.WORKLOAD,
      local: () => (
        made++,
        localIdentity({
          vault: sqliteVault(`${dir}/vault.db`, keyFile(`${dir}/vault.key`)),
          providers: { weather: { apiKey: 'key-of-the-weather' } },
        })
      ),
    },
  });
  const seen: string[] = [];
  const look = tool({
    name: 'look',
    description: 'Looks',
    input: jsonSchema({ type: 'object' }),
    effect: 'read',
    credentials: { key: { provider: 'weather', flow: 'api-key' } },
    execute: (_, { credentials }) => {
      seen.push(credentials.key);
      return 'sun';
    },
  });
  const helper = agent({
    name: 'helper',
    instructions: '',
    model: scripted([asks(['look', {}], ['remember', { text: 'She likes tea.' }]), 'done']),
    tools: [look, ...parts.memory.tools()],
  });
  await using engine = new Engine({ ...parts, agents: [helper] });
  await ends(engine.run(helper, 'hello', { by, session: 's' }), 'completed');
  const known = (await parts.memory.of(by).list()).items.map(({ text }) => text);
  return { seen, known, made, durable: parts.journal.durable };
}

test('it is on this machine without settings, and in AgentCore with them', async () => {
  // this machine, even if it is a container
  vi.stubEnv('LOCAL_DEV', '1');
  const local = await program({});
  expect(local).toEqual({ seen: ['key-of-the-weather'], known: ['She likes tea.'], made: 2, durable: true });

  const { controls, server } = await start();
  const { memory } = await controls.send(new control.CreateMemoryCommand({ name: 'parts', eventExpiryDuration: 30 }));
  await controls.send(new control.CreateWorkloadIdentityCommand({ name: 'helper' }));
  await controls.send(new control.CreateApiKeyCredentialProviderCommand({ name: 'weather', apiKey: 'key-of-the-weather' }));
  // until the memory is there
  await server.clock.advance(2_000);
  const there = await program({ MEMORY_ID: memory?.id ?? '', WORKLOAD: 'helper' });
  expect(there).toEqual({ ...local, made: 0 });
});

test('in a container a part that is not named is refused, unless it is meant', async () => {
  vi.stubEnv('DOCKER_CONTAINER', '1');
  vi.stubEnv('LOCAL_DEV', '');
  const memory = { memoryId: undefined, local: () => sqliteMemory(`${folder('parts')}/memory.db`, { strategies: [facts()] }) };
  expect((await refused('CONFIG_INVALID', () => agentcore({ memory }))).message).toMatch(/memoryId is not set.*ends with its session/);
  expect(agentcore({ memory, ephemeral: true }).memory.tools().length).toBeGreaterThan(0);
});

test.each([
  [undefined, /takes its options as an object/],
  [{ memroy: {} }, /Did you mean "memory"/],
  [{ memory: { memoryId: undefined } }, /memory needs local/],
  [{ identity: { workload: 5, local: () => undefined } }, /workload is a text/],
  [{ memory: { memoryId: 'm-a1b2c3d4e5', namespace: [], local: () => undefined } }, /Did you mean "namespaces"/],
  [{ memory: null }, /memory is an object/],
])('it says what is wrong with %o', async (wrong, says) => {
  expect((await refused('CONFIG_INVALID', () => agentcore(wrong as never))).message).toMatch(says);
});
