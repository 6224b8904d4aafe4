/** A research desk of five agents: npm run research-desk. See docs/research-desk.md. */
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Approval, type Decision, RondoError, type RunResult } from 'rondo';
import { type Desk, folder, openDesk } from './desk.ts';
import { modelId } from './models.ts';
import { TASK } from './standin/rules.ts';
import { ask, showApproval } from './ui/ask.ts';
import { steps } from './ui/steps.ts';
import { print, safe } from './ui/text.ts';
import { printTree } from './ui/tree.ts';

const USAGE = 'npm run research-desk -- [--task "..."] [resume <run>] [--approve] [--reject "why"]';
const by = { id: userInfo().username };
/** A command to copy: it must find the same files. */
const command = (args: string) =>
  `${process.env.RONDO_DIR ? `RONDO_DIR=${resolve(process.env.RONDO_DIR)} ` : ''}npm run research-desk -- ${args}`;

type Options = { task?: string; approve?: boolean; reject?: string };

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { task: { type: 'string' }, approve: { type: 'boolean' }, reject: { type: 'string' } },
  });
  const [verb, known, more] = positionals;
  if (more !== undefined || (verb && (verb !== 'resume' || !known))) throw new Error(`That is no command. There is: ${USAGE}`);
  const id = modelId();
  const desk = await openDesk();
  try {
    if (!id) print('OFFLINE STAND-IN: fixed rules, no AI model. Real: RONDO_MODEL=bedrock:<id> npm run research-desk');
    else print(`MODEL ${safe(id)}${desk.standins.length ? `; OFFLINE STAND-IN, fixed rules: ${desk.standins.join(', ')}` : ''}`);
    print(`verification: A2A at ${desk.peer.url}, process ${desk.peer.pid} | files: ${safe(folder)}`);
    if (!id) print('on purpose: the first draft has two digits swapped, for verification to find');
    return await attend(desk, known ?? '', values);
  } finally {
    await desk.close();
  }
}

/** Drives a run to its end, and asks where it asks. */
async function attend(desk: Desk, known: string, o: Options): Promise<number> {
  const { engine } = desk;
  const show = steps(performance.timeOrigin);
  let id = known;
  process.once('SIGINT', () => void engine.close());
  try {
    // what a run waits for is asked first
    let waiting = id ? (await engine.inspect(id, { by })).approvals : [];
    for (;;) {
      for (const approval of waiting) {
        showApproval(approval);
        const decision = await decide(approval, o);
        if (!decision) return paused(id);
        await engine.decide(id, [decision], { by });
      }
      const run = id ? engine.resume(id, { by }) : engine.run(desk.desk, o.task ?? TASK, { by });
      id = run.id;
      for await (const event of run) {
        // from here on it is in the journal
        if (event.type === 'run.started') print(`run ${id}\n`);
        show(event);
      }
      const result: RunResult = await run;
      if (result.status !== 'paused') return await ended(desk, result);
      waiting = result.approvals;
    }
  } catch (error) {
    if (!RondoError.is(error, 'ENGINE_CLOSED')) throw error;
    print(`\nnothing lost; go on with: ${command(`resume ${id}`)}`);
    return 130;
  }
}

/** A decision from the command line, or from whoever is at the terminal. */
async function decide(asked: Approval, { approve, reject }: Options): Promise<Decision | undefined> {
  if (approve) return { approval: asked.id, type: 'approve' };
  if (reject !== undefined) return { approval: asked.id, type: 'reject', reason: reject || 'no reason given' };
  return process.stdin.isTTY ? ask(asked, process.stdin, process.stdout) : undefined;
}

function paused(run: string): number {
  print(`\nPAUSED  it waits for your decision, and nothing else: no process, no timer. Approve with:
  ${command(`resume ${run} --approve`)}
or --reject "why", or neither, to be asked in a terminal:
  ${command(`resume ${run}`)}`);
  return 0;
}

async function ended({ engine, entries, standins }: Desk, result: RunResult): Promise<number> {
  const why = result.status === 'failed' ? result.error.message : result.status === 'stopped' ? `its limit of ${result.limit.name}` : '';
  const said = result.status === 'completed' ? String(result.output) : why;
  print(`\n${said.split('\n').map(safe).join('\n')}\n${result.status.toUpperCase()}`);
  const journal = await entries(result.runId);
  printTree((await engine.inspect(result.runId, { by })).tree, journal, standins);
  const files = journal.flatMap((e) => (e.type === 'call.finished' && (e.output as { file?: string } | undefined)?.file) || []);
  print(`published: ${files.length ? safe(files.join(', ')) : 'nothing'}`);
  return result.status === 'completed' ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  const { code = 'ERROR', message } = error as { code?: string; message: string };
  process.stderr.write(`${code}: ${safe(message)}\n`);
  // nothing that is open is worth waiting for
  process.exit(1);
}
