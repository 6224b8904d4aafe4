import { agent, Engine } from 'rondo';
import { agentcoreMemory } from 'rondo/agentcore/memory';
import { remember } from 'rondo/memory';
import { scripted } from 'rondo/testing';
import { expect, test } from 'vitest';
import { eventually } from '../../kit/time.ts';
import { withMemory } from './kit.ts';

const PLACE = '/facts/{actorId}/';

test('an engine remembers in AgentCore: one CreateEvent a turn, recalled for that user alone, and forgotten on request', async () => {
  const { memoryId, server } = await withMemory({
    memoryStrategies: [{ semanticMemoryStrategy: { name: 'facts', namespaceTemplates: [PLACE] } }],
  });
  const store = agentcoreMemory({ memoryId, namespaces: [PLACE] });
  const memory = remember(store, { namespaces: [PLACE] });
  const model = scripted(['Noted.', 'Rooibos, as you like it.', 'What would you like?', 'I do not know.']);
  const barista = agent({ name: 'barista', instructions: 'Take orders.', model });
  const turn = async (id: string, session: string, text: string) => {
    const engine = new Engine({ memory, agents: [barista] });
    await engine.run(barista, text, { by: { id }, session }).output();
    await engine.close();
    return model.requests.at(-1)?.instructions ?? '';
  };
  await turn('ana', 'monday', 'My favourite drink is rooibos tea.');
  expect(server.calls().filter(({ operation }) => operation === 'CreateEvent')).toHaveLength(1);
  const [actor] = (await store.actors({})).items;
  const place = PLACE.replace('{actorId}', actor?.actor as string);
  await eventually(async () => expect((await store.list({ namespace: place })).items).toHaveLength(1));
  expect(await turn('ana', 'tuesday', 'Which drink do I like?')).toContain('My favourite drink is rooibos tea.');
  expect(await turn('ben', 'tuesday', 'Which drink do I like?')).not.toContain('rooibos');
  const engine = new Engine({ memory, agents: [barista] });
  await engine.forget({ by: { id: 'ana' } });
  await engine.close();
  expect((await store.list({ namespace: place })).items).toEqual([]);
  expect((await store.actors({})).items).toHaveLength(1);
  expect(await turn('ana', 'friday', 'Which drink do I like?')).not.toContain('rooibos');
  await store.close();
});
