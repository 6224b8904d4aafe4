// What other runs repeat of a forgotten one in entries of their own: what a wrapper wrote, and results that were read back.
import { describe, expect, test } from 'vitest';
import { agent, clearToolResults, Engine, type Message, type Middleware, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, everythingIn, journals } from '../kit/journals.ts';
import { asks, ends, nothing } from '../kit/runs.ts';

const SECRET = 'FORGETME-4711';
const ana = { id: 'ana' };
const textOf = (message: Message | undefined) => (message?.content[0] as { text: string } | undefined)?.text ?? '';

describe.each(journals)('forgetting on $name', ({ make }) => {
  test.each<[string, Middleware]>([
    [
      'a message',
      {
        step: (request) => ({
          ...request,
          messages: [{ role: 'user', content: [{ type: 'text', text: `Earlier: ${textOf(request.messages[0])}` }] }, ...request.messages],
        }),
      },
    ],
    ['the instructions', { step: (request) => ({ ...request, instructions: `Earlier: ${textOf(request.messages[0])}` }) }],
  ])('%s that a step wrapper made of a forgotten run is not left in later runs', async (_, use) => {
    const { journal } = make();
    const a = agent({ name: 'a', instructions: '', model: scripted(() => 'ok'), use: [use] });
    const engine = new Engine({ journal });
    const { runId } = await ends(engine.run(a, `My card is ${SECRET}`, { session: 's', by: ana }), 'completed');
    await ends(engine.run(a, 'And now?', { session: 's', by: ana }), 'completed');
    expect((await everythingIn(journal)).split(SECRET).length).toBeGreaterThan(3);
    await engine.forget(runId);
    expect(await everythingIn(journal)).not.toContain(SECRET);
    // and the session goes on
    await ends(engine.run(a, 'Still there?', { session: 's', by: ana }), 'completed');
  });

  test('a result that a later run read back is not left there, and the results of its own calls are', async () => {
    const { journal } = make();
    let looked = 0;
    const look = tool({
      name: 'look',
      description: '',
      input: nothing,
      effect: 'read',
      execute: () => `${looked++ === 0 ? SECRET : 'KEEPME'} ${'x'.repeat(5_000)}`,
    });
    const model = scripted(({ messages }) => {
      const task = textOf(messages.filter(({ role, content }) => role === 'user' && content[0]?.type === 'text').at(-1));
      if (messages.at(-1)?.role === 'tool') return 'done';
      if (task !== 'read') return asks(['look', {}]);
      const cleared = messages.flatMap(({ content }) => content).find((part) => part.type === 'toolResult' && part.cleared);
      const ref = cleared?.type === 'toolResult' ? (cleared.cleared?.ref ?? '') : '';
      return asks(['read_result', { ref }], ['look', {}]);
    });
    const a = agent({ name: 'a', instructions: '', model, tools: [look], compact: [clearToolResults({ keep: 0, over: 10 })] });
    const engine = new Engine({ journal });
    const { runId } = await ends(engine.run(a, 'look', { session: 's' }), 'completed');
    await ends(engine.run(a, 'look', { session: 's' }), 'completed');
    const third = await ends(engine.run(a, 'read', { session: 's' }), 'completed');
    const told = async () =>
      (await entriesOf(journal, third.runId))
        .flatMap((entry) => (entry.type === 'call.finished' ? [String(entry.output).slice(0, 13).trim()] : []))
        .sort();
    expect(await told()).toEqual([SECRET, `KEEPME ${'x'.repeat(6)}`].sort());
    await engine.forget(runId);
    expect(await everythingIn(journal)).not.toContain(SECRET);
    expect(await told()).toEqual(['[forgotten]', `KEEPME ${'x'.repeat(6)}`].sort());
  });
});
