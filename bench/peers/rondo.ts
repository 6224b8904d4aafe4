/** Rondo, asked as the peers are. */
import { join } from 'node:path';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { agent, approve, Engine, type Json, type Model, memoryJournal, type RunResult, reject, tool } from '../../src/index.ts';
import { PRICES } from '../workload.ts';
import type { Script, Setup, Subject, SubjectTool, Told } from './subject.ts';

export const durable = 'sqliteJournal';
export const none = {};

const scripted = (script: Script): Model => ({
  provider: 'bench',
  id: 'instant',
  async generate({ messages }) {
    const done = messages.filter(({ role }) => role === 'tool').length;
    const said = await script(done);
    const usage = { input: 1_200, output: 60 };
    if (typeof said === 'string') return { content: [{ type: 'text', text: said }], stop: 'end', usage };
    return { content: [{ type: 'toolCall', id: `call-${done}`, name: said.name, input: said.input as Json }], stop: 'tools', usage };
  },
});

const paused = new WeakMap<Told, Extract<RunResult, { status: 'paused' }>>();

function told(result: RunResult): Told {
  const code = result.status === 'failed' ? ` ${result.error.code}` : result.status === 'stopped' ? ` at ${result.limit.name}` : '';
  const text = result.status === 'completed' ? String(result.output) : '';
  const answer: Told = { status: `${result.status}${code}`, text };
  if (result.status === 'paused') paused.set(answer, result);
  return answer;
}

export function make({ model, tools, sub, timeout, file, instructions }: Setup): Subject {
  const one = ({ name, description, input, execute, approve: asked, read }: SubjectTool) =>
    tool({
      name,
      description,
      input,
      effect: read ? 'read' : 'once',
      // what the call is meant to do: it happens once, in whichever run it is asked for
      ...(!read && { key: (value: unknown) => `${name}:${(value as { id: number }).id}` }),
      execute: (value) => execute(value as { id: number }),
      ...(asked && { approval: true }),
      ...(timeout && { timeout }),
    });
  const inner =
    sub && agent({ name: sub.name, description: sub.description, instructions, model: scripted(sub.model), tools: sub.tools.map(one) });
  const subject = agent({ name: 'bench', instructions, model: scripted(model), tools: tools.map(one), ...(inner && { agents: [inner] }) });
  const journal = file ? sqliteJournal(join(file, 'rondo.db')) : memoryJournal();
  const engine = new Engine({ journal, agents: [subject], prices: PRICES, limits: { steps: 1_000_000 } });
  return {
    start: async (thread, question) => told(await engine.run(subject, question, { id: thread })),
    async answer(thread, waits, approved) {
      const approvals = paused.get(waits)?.approvals ?? [];
      const decisions = approvals.map((approval) => (approved ? approve(approval) : reject(approval, 'no')));
      await engine.decide(thread, decisions, { by: { id: 'ana' } });
      return told(await engine.resume(thread));
    },
    resume: async (thread) => told(await engine.resume(thread)),
    forget: () => undefined,
    close: () => engine.close(),
  };
}
