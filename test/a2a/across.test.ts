/** Agents of other frameworks, served by us, as parts of a supervisor in another process. */
import { expect, it } from 'vitest';
import { a2aAgent } from '../../src/adapters/a2a/index.ts';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { Engine, supervisor } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { ends, failure, shown } from '../kit/runs.ts';
import { connect, output, send, stateOf } from './client.ts';
import { journalFile, type Process, start } from './process.ts';

/** Far over what a busy machine takes. */
const PATIENT = { timeout: 120_000 };

const portOf = ({ url }: Process) => Number(new URL(url).port);

it('a LangGraph and a Strands agent are delegated to at once; their approvals are decided at the top, after everything restarted', async () => {
  const files = { langgraph: journalFile(), strands: journalFile(), here: journalFile() };
  const options = { usage: true };
  const [lg, st] = await Promise.all([
    start('langgraph', { journal: files.langgraph, options }),
    start('strands', { journal: files.strands, options }),
  ]);
  const world = () => {
    const agents = [a2aAgent(lg.url, { name: 'trips' }), a2aAgent(st.url, { name: 'clerk' })];
    const model = scripted((request) => {
      const told = shown(request);
      if (told.length > 0) return told.map((t) => t.text).join('; ');
      return {
        toolCalls: [
          { name: 'trips', input: { task: 'Oslo' } },
          { name: 'clerk', input: { task: 'ana' } },
        ],
      };
    });
    const boss = supervisor({ name: 'boss', instructions: '', agents, model });
    return { boss, engine: new Engine({ journal: sqliteJournal(files.here), agents: [boss] }) };
  };
  const before = world();
  const asked = await ends(before.engine.run(before.boss, 'a trip for Ana'), 'paused');
  expect(asked.approvals.map((a) => a.kind === 'tool' && [a.path, a.tool, a.input])).toEqual([
    [['boss', 'trips'], 'book', { room: 'a room in Oslo' }],
    [['boss', 'clerk'], 'mail', { to: 'ana' }],
  ]);
  // the tokens of the Strands agent are part of the top run
  expect(asked.usage.output).toBeGreaterThanOrEqual(5);
  // what the processes say may come after their answers
  await expect.poll(() => [lg.said, st.said], PATIENT).toEqual([[{ looked: 'Oslo' }], []]);
  await Promise.all([before.engine.close(), lg.kill(), st.kill()]);

  const [lgAgain, stAgain] = await Promise.all([
    start('langgraph', { journal: files.langgraph, options: { ...options, port: portOf(lg) } }),
    start('strands', { journal: files.strands, options: { ...options, port: portOf(st) } }),
  ]);
  const { engine } = world();
  const [room, mail] = asked.approvals;
  const by = { id: 'me' };
  // one by one: the other waits on
  await engine.decide(asked.runId, [{ approval: mail?.id ?? '', type: 'approve' }], { by });
  const half = await ends(engine.resume(asked.runId), 'paused');
  expect(half.approvals.map((a) => a.id)).toEqual([room.id]);
  await expect.poll(() => [lgAgain.said, stAgain.said], PATIENT).toEqual([[], [{ mailed: 'ana' }]]);
  await engine.decide(asked.runId, [{ approval: room.id, type: 'edit', input: { room: 'a tent' } }], { by });
  const done = await ends(engine.resume(asked.runId), 'completed');
  expect(done.output).toContain('booked a tent');
  expect(done.output).toContain('It says: sent to ana');
  // nothing that finished ran again
  await expect.poll(() => [lgAgain.said, stAgain.said], PATIENT).toEqual([[{ booked: 'a tent' }], [{ mailed: 'ana' }]]);
  await engine.close();
});

it.each([
  ['langgraph', 'nowhere'],
  ['strands', 'break'],
] as const)('a %s agent that fails is an error observation, and one that is refused does nothing', async (framework, bad) => {
  const server = await start(framework, { journal: journalFile() });
  const model = scripted((request) => {
    const [told] = shown(request);
    if (told) return told.isError ? `${failure(told).code}` : told.text;
    return {
      toolCalls: [
        {
          name: 'remote',
          input: { task: String(request.messages[0]?.content[0]?.type === 'text' && request.messages[0].content[0].text) },
        },
      ],
    };
  });
  const boss = supervisor({ name: 'boss', instructions: '', agents: [a2aAgent(server.url, { name: 'remote' })], model });
  const engine = new Engine({ journal: sqliteJournal(journalFile()), agents: [boss] });
  expect((await ends(engine.run(boss, bad), 'completed')).output).toBe('A2A_FAILED');
  const asked = await ends(engine.run(boss, 'Rome'), 'paused');
  await engine.decide(asked.runId, [{ approval: asked.approvals[0].id, type: 'reject', reason: 'too dear' }], { by: { id: 'me' } });
  const done = await ends(engine.resume(asked.runId), 'completed');
  expect(done.output).toMatch(framework === 'langgraph' ? 'did not book' : 'too dear');
  expect(server.said.filter((line) => !('looked' in line))).toEqual([]);
  // anybody's client can ask it too
  const client = await connect(server.url);
  const theirs = await send(client, 'Bonn');
  expect(stateOf(theirs)).toBe('TASK_STATE_INPUT_REQUIRED');
  expect(output(await send(client, 'approve', { taskId: theirs.id }))).toMatch(/booked a room in Bonn|sent to Bonn/);
  await engine.close();
});
