/** The first real job: npm start. See docs/first-run.md. */
import { join } from 'node:path';
import { findRun, listRuns, showRun } from '../kit/runs.ts';
import { safe } from '../kit/safe.ts';
import { Screen, type Terminal } from '../kit/screen.ts';
import { exitWith } from '../kit/usage.ts';
import { command, folder, me, openDesk, openJournal } from './desk.ts';
import { chooseModel } from './model.ts';
import { attend, type Ending, type Session } from './session.ts';
import { ANNOUNCEMENT } from './tickets/faults.ts';
import { type Command, parseCommand, TASK, USAGE } from './usage.ts';

const terminal: Terminal = { input: process.stdin, output: process.stdout, env: process.env };
const screen = new Screen(terminal);

/** Exit codes. 0: done, or waiting for a person; 1: ended otherwise; 2: wrong usage; 130: Ctrl-C. */
const EXIT: Readonly<Record<Ending, number>> = { completed: 0, later: 0, ended: 1, interrupted: 130 };

async function main(args: readonly string[]): Promise<number> {
  const wanted = parseCommand(args);
  switch (wanted.do) {
    case 'help':
      screen.line(USAGE);
      return 0;
    case 'runs':
      return list();
    case 'show':
      return show(wanted.run);
    default:
      return EXIT[await work(wanted)];
  }
}

async function work(wanted: Extract<Command, { do: 'start' | 'resume' }>): Promise<Ending> {
  const started = performance.timeOrigin;
  const model = await chooseModel(process.env.RONDO_MODEL);
  const desk = await openDesk(model, wanted.faults);
  const session: Session = { desk, terminal, screen, decide: wanted.decide, started, interrupt: interrupted() };
  try {
    const known = wanted.do === 'resume' ? await findRun(desk.journal, wanted.run, command('runs')) : undefined;
    if (model.standin) screen.prose('OFFLINE STAND-IN: fixed rules, no AI model. Real: RONDO_MODEL=<provider>:<id> npm start');
    else screen.prose(`MODEL ${safe(model.provider)}/${safe(model.id)}`);
    const head = (run: string) => {
      screen.line(`run ${run} | journal ${safe(folder())}/runs.db`);
      screen.line(`tickets: MCP over stdio | SMTP ${safe(desk.smtp.host)}:${desk.smtp.port}`);
      screen.prose(`faults: ${ANNOUNCEMENT[wanted.faults]}`);
    };
    if (known !== undefined) {
      head(known);
      screen.line('job: go on where it stopped');
      screen.line();
      return await attend(session, { resume: known });
    }
    const task = wanted.do === 'start' ? wanted.task : TASK;
    const start = () => {
      const run = desk.engine.run(desk.agent, task, { by: me() });
      head(run.id);
      screen.prose(`job: ${task === TASK ? 'top three open tickets, check known issues, draft replies, mail the team' : safe(task)}`);
      screen.line();
      return run;
    };
    return await attend(session, { start });
  } finally {
    await desk.close();
  }
}

/** The first Ctrl-C releases the run; a later one does not wait for that. npm sends each a second time at once. */
function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    let first = 0;
    process.on('SIGINT', () => {
      first ||= performance.now();
      if (performance.now() - first > 1_000) process.exit(130);
      resolve();
    });
  });
}

async function list(): Promise<number> {
  const journal = openJournal();
  await listRuns(screen, journal, join(folder(), 'runs.db'), command);
  await journal.close?.();
  return 0;
}

async function show(start: string): Promise<number> {
  const journal = openJournal();
  await showRun(screen, journal, start, command('runs'), process.stdout.isTTY ? screen.width : 160);
  await journal.close?.();
  return 0;
}

await exitWith(screen, () => main(process.argv.slice(2)));
