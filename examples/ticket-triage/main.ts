/** The first real job: npm start. See docs/first-run.md. */
import { RondoError } from 'rondo';
import { command, entriesOf, findRun, folder, me, openDesk, openJournal } from './desk.ts';
import { chooseModel } from './model.ts';
import { attend, type Ending, type Session } from './session.ts';
import { ANNOUNCEMENT } from './tickets/faults.ts';
import { describeEntries } from './ui/entries.ts';
import { safe, safeLines } from './ui/safe.ts';
import { Screen, type Terminal } from './ui/screen.ts';
import { type Command, parseCommand, TASK, USAGE, UsageError } from './usage.ts';

const terminal: Terminal = { input: process.stdin, output: process.stdout, env: process.env };
const screen = new Screen(terminal);

/** 0: it is done, or waits for a person; 1: it ended otherwise; 2: it was asked for wrongly; 130: Ctrl-C. */
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
    const known = wanted.do === 'resume' ? await findRun(desk.journal, wanted.run) : undefined;
    if (model.standin) screen.line('OFFLINE STAND-IN: fixed rules, no AI model. Real: RONDO_MODEL=bedrock:<id> npm start');
    else screen.line(`MODEL ${safe(model.provider)}/${safe(model.id)}`);
    const head = (run: string) => {
      screen.line(`run ${run} | journal ${safe(folder())}/runs.db`);
      screen.line(`tickets: MCP over stdio | SMTP ${safe(desk.smtp.host)}:${desk.smtp.port}`);
      screen.line(`faults: ${ANNOUNCEMENT[wanted.faults]}`);
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
      screen.line(`job: ${task === TASK ? 'top three open tickets, check known issues, draft replies, mail the team' : safe(task)}`);
      screen.line();
      return run;
    };
    return await attend(session, { start });
  } finally {
    await desk.close();
  }
}

/** The first Ctrl-C gives the run back; another one, later, does not wait for that. npm passes each on a second time at once. */
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
  let none = true;
  for await (const { runId, status, startedAt, agent, unknowns, leaseUntil = 0 } of journal.heads({})) {
    none = false;
    const waits = status === 'paused' || (status === 'running' && leaseUntil <= Date.now());
    const more = unknowns ? `  ${unknowns} outcome unknown` : waits ? `  ${command(`resume ${runId}`)}` : '';
    screen.line(
      `${runId}  ${new Date(startedAt).toISOString().slice(0, 19).replace('T', ' ')}  ${status.padEnd(9)}  ${safe(agent)}${more}`,
    );
  }
  if (none) screen.line(`no runs in ${safe(folder())}/runs.db yet: npm start`);
  await journal.close?.();
  return 0;
}

async function show(start: string): Promise<number> {
  const journal = openJournal();
  const run = await findRun(journal, start);
  for (const line of describeEntries(await entriesOf(journal, run), process.stdout.isTTY ? screen.width : 160)) screen.line(line);
  await journal.close?.();
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  screen.status(undefined);
  if (error instanceof UsageError) {
    process.stderr.write(`${safeLines(error.message).join('\n')}\n`);
    process.exitCode = 2;
  } else {
    const { code = 'ERROR', message } = error as { code?: string; message: string };
    process.stderr.write(`${code}: ${safeLines(message).join('\n')}\n`);
    if (!RondoError.is(error) && (error as Error).name !== 'ToolError') process.stderr.write(`${(error as Error).stack}\n`);
    process.exitCode = 1;
  }
}
