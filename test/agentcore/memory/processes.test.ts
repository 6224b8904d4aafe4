import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import { expect, test } from 'vitest';
import { folder } from '../../kit/folder.ts';
import { eventually } from '../../kit/time.ts';
import { serving } from '../serving.ts';
import { created } from './kit.ts';

const run = promisify(execFile);
const STRANDS = join(import.meta.dirname, '../fixtures/strands-memory.mjs');

test('a server that is killed while it appends has each event that it acknowledged, and none half', async () => {
  const cwd = folder('agentcore');
  const acknowledged = new Set<string>();
  let memoryId = '';
  for (const round of [1, 2, 3]) {
    const served = await serving(cwd);
    memoryId ||= await created(served);
    const ended = once(served.child, 'close');
    const client = new data.BedrockAgentCoreClient(served.options);
    const append = async (writer: number) => {
      for (let i = 0; ; i += 1) {
        const text = `${round}-${writer}-${i}`.padEnd(2_000, '.');
        const command = new data.CreateEventCommand({
          memoryId,
          actorId: 'alice',
          sessionId: `s${writer}`,
          eventTimestamp: new Date(),
          payload: [{ conversational: { role: 'USER', content: { text } } }, { blob: text }],
        });
        const answer = await client.send(command).catch(() => undefined);
        if (!answer) return;
        acknowledged.add(text);
        if (acknowledged.size === round * 40) served.child.kill('SIGKILL');
      }
    };
    await Promise.all([1, 2, 3].map(append));
    await ended;
    client.destroy();
  }
  const { child, options } = await serving(cwd);
  const client = new data.BedrockAgentCoreClient(options);
  const found: string[] = [];
  for (const writer of [1, 2, 3])
    for await (const page of data.paginateListEvents({ client }, { memoryId, actorId: 'alice', sessionId: `s${writer}` }))
      for (const { payload = [] } of page.events ?? []) {
        const text = payload[0]?.conversational?.content?.text as string;
        expect(payload[1]?.blob).toBe(text);
        found.push(text);
      }
  expect(new Set(found).size).toBe(found.length);
  expect([...acknowledged].filter((text) => !found.includes(text))).toEqual([]);
  client.destroy();
  child.kill();
});

test("Strands' MemoryManager on the stores of AgentCore's SDK: what is said in one session is found in the next by another process, for that actor alone", async () => {
  const served = await serving(folder('agentcore'));
  const memoryId = await created(served, [{ semanticMemoryStrategy: { name: 'facts', namespaceTemplates: ['/facts/{actorId}/'] } }]);
  const turn = async (actor: string, session: string, prompt: string): Promise<string> => {
    const { stdout } = await run(process.execPath, [STRANDS, memoryId, actor, session, prompt], { env: { ...process.env, ...served.env } });
    return stdout;
  };
  const told = 'My favourite drink is rooibos tea.';
  expect(await turn('alice', 'monday', told)).toContain('rooibos');
  const client = new data.BedrockAgentCoreClient(served.options);
  const input = { memoryId, namespace: '/facts/alice/', searchCriteria: { searchQuery: 'drink' } };
  await eventually(async () =>
    expect((await client.send(new data.RetrieveMemoryRecordsCommand(input))).memoryRecordSummaries).toMatchObject([
      { content: { text: told } },
    ]),
  );
  expect(await turn('alice', 'tuesday', 'Which drink do I like?')).toContain('rooibos');
  expect(await turn('bob', 'tuesday', 'Which drink do I like?')).not.toContain('rooibos');
  client.destroy();
  served.child.kill();
});
