/** A research desk of five agents: npm run research-desk. See docs/research-desk.md. */
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { type Approval, RondoError, type RunResult } from 'rondo';
import type { Answer } from '../kit/ask.ts';
import { describeEntries } from '../kit/entries.ts';
import { openModel } from '../kit/model.ts';
import { findRun, listRuns, showRun } from '../kit/runs.ts';
import { paragraphs, safe } from '../kit/safe.ts';
import { Screen, type Terminal } from '../kit/screen.ts';
import { type Decide, exitWith, parse } from '../kit/usage.ts';
import { type Desk, folder, openDesk, openJournal } from './desk.ts';
import { wantedModel } from './models.ts';
import { TASK } from './standin/rules.ts';
import { ask, showApproval } from './ui/ask.ts';
import { steps } from './ui/steps.ts';
import { print, proseWidth, tell, width } from './ui/text.ts';
import { printTree } from './ui/tree.ts';

const USAGE = `npm run research-desk                               run the job
npm run research-desk -- --task "..."               another task over the same library (needs a model)
npm run research-desk -- runs                       list the runs
npm run research-desk -- show <run>                 show what a run did
npm run research-desk -- resume <run>               go on with a run, and ask here
npm run research-desk -- resume <run> --approve     approve what it waits for, and go on
npm run research-desk -- resume <run> --reject "why"`;
const terminal: Terminal = { input: process.stdin, output: process.stdout, env: process.env };
const screen = new Screen(terminal);
const by = { id: userInfo().username };
/** A command to copy: it must find the same files. */
const command = (args: string) =>
  `${process.env.RONDO_DIR ? `RONDO_DIR=${resolve(process.env.RONDO_DIR)} ` : ''}npm run research-desk -- ${args}`;

async function main(args: readonly string[]): Promise<number> {
  const wanted = parse(args, { usage: USAGE, command: 'npm run research-desk' });
  if (wanted.do === 'help') {
    print(USAGE);
    return 0;
  }
  if (wanted.do === 'runs' || wanted.do === 'show') {
    const journal = openJournal();
    if (wanted.do === 'runs') await listRuns(screen, journal, join(folder, 'runs.db'), command);
    else await showRun(screen, journal, wanted.run, command('runs'), process.stdout.isTTY ? screen.width : 160);
    await journal.close?.();
    return 0;
  }
  let known = '';
  if (wanted.do === 'resume') {
    // before the agents start, because it may be a mistake
    const journal = openJournal();
    known = await findRun(journal, wanted.run, command('runs')).finally(() => journal.close?.());
  }
  const model = wantedModel();
  // before the agents start, each of which opens its own
  if (model) await openModel(model);
  const desk = await openDesk();
  try {
    if (!model) tell('OFFLINE STAND-IN: fixed rules, no AI model. Real: RONDO_MODEL=<provider>:<id> npm run research-desk');
    else
      tell(
        `MODEL ${safe(model.prefix)}:${safe(model.id)}${desk.standins.length ? `; OFFLINE STAND-IN, fixed rules: ${desk.standins.join(', ')}` : ''}`,
      );
    tell(`verification: A2A at ${desk.peer.url}, process ${desk.peer.pid} | files: ${safe(folder)}`);
    if (!model) tell('on purpose: the first draft has two digits swapped, for verification to find');
    return await attend(desk, known, wanted.do === 'start' ? wanted.task : undefined, wanted.decide);
  } finally {
    await desk.close();
  }
}

/** Drives a run to its end, and asks the person when it pauses. */
async function attend(desk: Desk, known: string, task: string | undefined, how: Decide): Promise<number> {
  const { engine } = desk;
  const show = steps(performance.timeOrigin);
  let id = known;
  process.once('SIGINT', () => void engine.close());
  try {
    // open approvals are asked first
    let waiting = id ? (await engine.inspect(id, { by })).approvals : [];
    for (;;) {
      for (const approval of waiting) {
        const decision = await decide(desk, approval, how);
        if (decision === 'interrupted') return farewell(id);
        if (decision === 'quit') return paused(id);
        await engine.decide(id, [decision], { by }).catch((error: unknown) => {
          // the edit does not fit the tool: the run still waits, and the person is asked again
          if (how.type !== 'ask' || !RondoError.is(error, 'DECISION_INVALID')) throw error;
          for (const text of paragraphs(`${error.code}: ${error.message}`, width() - 5)) print(`  |  ${text}`);
        });
      }
      const run = id ? engine.resume(id, { by }) : engine.run(desk.desk, task ?? TASK, { by });
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
    return farewell(id);
  }
}

/** A decision from the command line, or from the person at the terminal. */
async function decide({ entries }: Desk, asked: Approval, how: Decide): Promise<Answer> {
  if (how.type === 'ask' && process.stdin.isTTY)
    return ask(asked, terminal, async () => describeEntries(await entries(asked.runId), width() - 5));
  showApproval(asked);
  if (how.type === 'ask') return 'quit';
  return how.type === 'approve' ? { approval: asked.id, type: 'approve' } : { approval: asked.id, type: 'reject', reason: how.reason };
}

function farewell(run: string): number {
  print(`\nnothing lost; go on with: ${command(`resume ${run}`)}`);
  return 130;
}

function paused(run: string): number {
  print();
  tell('PAUSED  it waits for your decision, and nothing else: no process, no timer. Approve with:');
  print(`  ${command(`resume ${run} --approve`)}
or --reject "why", or neither, to be asked in a terminal:
  ${command(`resume ${run}`)}`);
  return 0;
}

async function ended({ engine, entries, standins }: Desk, result: RunResult): Promise<number> {
  const why = result.status === 'failed' ? result.error.message : result.status === 'stopped' ? `its limit of ${result.limit.name}` : '';
  const said = result.status === 'completed' ? String(result.output) : why;
  print(`\n${paragraphs(said, proseWidth()).join('\n')}\n${result.status.toUpperCase()}`);
  const journal = await entries(result.runId);
  printTree((await engine.inspect(result.runId, { by })).tree, journal, standins);
  const files = journal.flatMap((e) => (e.type === 'call.finished' && (e.output as { file?: string } | undefined)?.file) || []);
  print(`published: ${files.length ? safe(files.join(', ')) : 'nothing'}`);
  return result.status === 'completed' ? 0 : 1;
}

await exitWith(screen, () => main(process.argv.slice(2)));
// no open call is worth waiting for
if (process.exitCode) process.exit();
