/** One scene of a framework in a process of its own: `play.ts FRAMEWORK SCENE FOLDER PHASE`. The last line of its output is what came of it. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { z } from 'zod';
import { programOf, type Script, type Setup, type Subject, type SubjectTool, type Told } from './subject.ts';

const [name = '', scene = '', folder = '', phase = 'start'] = process.argv.slice(2);
const input = z.object({ id: z.number() });
const effects = join(folder, 'effects');

/** A tool whose effect is a line in a file, which outlives the process. */
const effect = (tool: string, more: Partial<SubjectTool> = {}, then?: () => Promise<unknown>): SubjectTool => ({
  name: tool,
  description: 'Does it',
  input,
  async execute({ id }) {
    appendFileSync(effects, `${tool} ${id}\n`);
    return (await then?.()) ?? { ok: true };
  },
  ...more,
});

const once =
  (call: string, id = 7): Script =>
  (done) =>
    done === 0 ? { name: call, input: { id } } : 'Done.';

const instructions = 'Do what is asked.';
const QUESTION = 'Go.';
const never = () => new Promise<never>(() => {});

/** Dies as the model is asked after the first tool, once. */
const dies: Script = (done) => {
  const marker = join(folder, 'died');
  if (done === 1 && !existsSync(marker)) {
    writeFileSync(marker, '');
    process.kill(process.pid, 'SIGKILL');
  }
  const call = ['first', 'second'][done];
  return call ? { name: call, input: { id: done } } : 'Done.';
};

/** The input with which each calls a sub-agent named `worker`. */
const DELEGATION: Record<string, { name: string; input: unknown }> = {
  rondo: { name: 'worker', input: { task: 'go' } },
  mastra: { name: 'agent-worker', input: { prompt: 'go' } },
};
const delegation = DELEGATION[name] ?? { name: 'worker', input: { input: 'go' } };
const asked = effect('refund', { approve: true });

const SCENES: Record<string, Omit<Setup, 'instructions'>> = {
  hangs: { model: once('slow'), tools: [effect('slow', {}, never)], timeout: 500 },
  fails: {
    model: (done) => (done < 30 ? { name: 'flaky', input: { id: done } } : 'Done.'),
    tools: [effect('flaky', {}, () => Promise.reject(new Error('the service is down')))],
  },
  killed: { model: dies, tools: [effect('first'), effect('second', {}, () => after(500))], file: folder },
  rejected: { model: once('refund'), tools: [asked] },
  nested: {
    model: (done) => (done === 0 ? delegation : 'Done.'),
    tools: [],
    sub: { name: 'worker', description: 'Works', input: z.object({ input: z.string() }), model: once('refund'), tools: [asked] },
  },
  twice: { model: (done) => (done < 2 ? { name: 'refund', input: { id: 7 } } : 'Done.'), tools: [effect('refund')], file: folder },
  runs: { model: once('refund'), tools: [effect('refund')], file: folder },
};

const { make, durable, none } = await programOf(name);
const { file, ...setup } = SCENES[scene] as Omit<Setup, 'instructions'>;
const made = () => make({ instructions, ...setup, ...(file && durable && { file }) });

async function play(subject: Subject): Promise<Told> {
  if (phase === 'resume') {
    if (!subject.resume) {
      const again = await subject.start('thread', QUESTION);
      return { status: `has none (${none.resume}); asked again: ${again.status}` };
    }
    // two processes that resume begin at the same time
    const at = Number(process.env.BENCH_AT ?? 0);
    await after(Math.max(0, at - Date.now()));
    return subject.resume('thread');
  }
  const first = await subject.start('thread', QUESTION);
  if (scene === 'runs') return subject.start('thread-2', QUESTION);
  if (scene !== 'rejected' && scene !== 'nested') return first;
  if (first.status !== 'paused') return { status: `did not ask; ${first.status}` };
  const before = existsSync(effects) ? readFileSync(effects, 'utf8') : '';
  if (before !== '') return { status: 'acted before it was approved' };
  const last = await subject.answer('thread', first, scene === 'nested');
  return { status: `asked, ${last.status}` };
}

function oneLine(error: unknown): string {
  const { name: kind, code, message } = error as { name?: string; code?: string; message?: string };
  return `${code ?? kind}: ${String(message).split('\n')[0]?.slice(0, 90)}`;
}

const keepAlive = setInterval(() => {}, 1_000);
const result = await play(made()).then(
  ({ status }) => status,
  (error: unknown) => `error ${oneLine(error)}`,
);
clearInterval(keepAlive);
process.stdout.write(`\n${JSON.stringify({ result })}\n`, () => process.exit());
