import { type Approval, type Decision, RondoError, type Run, type RunResult } from 'rondo';
import { ask, showApproval } from '../kit/ask.ts';
import { describeEntries } from '../kit/entries.ts';
import { entriesOf } from '../kit/runs.ts';
import { safe } from '../kit/safe.ts';
import { type Screen, seconds, type Terminal } from '../kit/screen.ts';
import type { Decide } from '../kit/usage.ts';
import { command, type Desk, isClosed, mailsOf, me } from './desk.ts';
import { Render } from './ui/render.ts';
import { type Clock, summary } from './ui/summary.ts';

/** `later`: it waits for a person; `interrupted`: Ctrl-C. */
export type Ending = 'completed' | 'later' | 'interrupted' | 'ended';

export interface Session {
  desk: Desk;
  terminal: Terminal;
  screen: Screen;
  decide: Decide;
  /** When this process started, epoch milliseconds. */
  started: number;
  /** Resolves on Ctrl-C. */
  interrupt: Promise<void>;
}

/** What a second call of a tool would do; shown when a person is asked. */
const EFFECTS: Readonly<Record<string, string>> = { send_mail: 'once' };

/** A new run, or one to resume. */
export type Begin = { start: () => Run } | { resume: string };

/** Drives a run to its end, shows its events and asks the person when it pauses. */
export async function attend(session: Session, begin: Begin): Promise<Ending> {
  const { desk, screen, started } = session;
  const render = new Render(screen, started);
  const clock = { started, startUp: Date.now() - started, you: 0 };
  let stopped = false;
  void session.interrupt.then(async () => {
    stopped = true;
    screen.status(undefined);
    await desk.engine.close();
  });
  let run: Run | undefined;
  let id = 'resume' in begin ? begin.resume : '';
  try {
    // open approvals are asked first: resuming before that would only pause again
    let waiting = 'resume' in begin ? (await desk.engine.inspect(id, { by: me() })).approvals : [];
    for (;;) {
      if (waiting.length > 0) {
        const since = Date.now();
        const decisions = await decisionsOn(session, id, waiting, render);
        if (session.decide.type === 'ask') clock.you += Date.now() - since;
        if (decisions === 'interrupted') return farewell(session, id);
        if (decisions.length === 0) return paused(session, id);
        await hand(session, id, decisions);
      }
      const since = Date.now();
      run = 'start' in begin && !run ? begin.start() : desk.engine.resume(id, { by: me() });
      id = run.id;
      let first = true;
      for await (const event of run) {
        if (first) clock.startUp += Date.now() - since;
        first = false;
        render.show(event);
      }
      const result = await run;
      screen.status(undefined);
      if (result.status !== 'paused') return await ended(session, result, clock);
      waiting = result.approvals;
    }
  } catch (error) {
    screen.status(undefined);
    if (stopped && isClosed(error)) return farewell(session, id);
    throw error;
  }
}

/** One decision for each approval that was decided. */
async function decisionsOn(
  session: Session,
  run: string,
  approvals: readonly Approval[],
  render: Render,
): Promise<readonly Decision[] | 'interrupted'> {
  const { desk, terminal, screen, decide, interrupt } = session;
  const decisions: Decision[] = [];
  for (const approval of approvals) {
    const effect = approval.kind === 'tool' ? (EFFECTS[approval.tool] ?? 'read') : 'none';
    const background = { effect, why: async () => describeEntries(await entriesOf(desk.journal, run), screen.width - 5) };
    const asked = Date.now();
    let answer: Decision | 'quit' | 'interrupted';
    if (decide.type !== 'ask') {
      showApproval(screen, approval, effect);
      answer = preset(decide, approval);
    } else if (terminal.input.isTTY)
      answer = await Promise.race([ask(terminal, screen, approval, background), interrupt.then(() => 'interrupted' as const)]);
    else {
      showApproval(screen, approval, effect);
      answer = 'quit';
    }
    if (answer === 'interrupted') return answer;
    if (answer === 'quit') break;
    decisions.push(answer);
    if (approval.kind === 'tool') render.decided(approval.tool, said(answer, decide, Date.now() - asked));
  }
  return decisions;
}

/** Submits decisions. If an edit does not fit the tool, the run still waits, and the person is asked again. */
async function hand({ desk, screen, decide }: Session, run: string, decisions: readonly Decision[]): Promise<void> {
  try {
    await desk.engine.decide(run, decisions, { by: me() });
  } catch (error) {
    if (decide.type !== 'ask' || !RondoError.is(error, 'DECISION_INVALID')) throw error;
    screen.line(`  |  ${safe(`${error.code}: ${error.message}`)}`);
  }
}

/** A decision from the command line is for every open approval. */
function preset(decide: Exclude<Decide, { type: 'ask' }>, { id, allow }: Approval): Decision | 'quit' {
  if (!allow.includes(decide.type)) return 'quit';
  return decide.type === 'approve' ? { approval: id, type: 'approve' } : { approval: id, type: 'reject', reason: decide.reason };
}

function said(d: Decision, decide: Decide, ms: number): string {
  const how = { approve: 'approved', edit: 'edited and approved', reject: 'rejected', respond: 'answered' }[d.type];
  return `${how} by ${safe(me().id)}${decide.type === 'ask' ? ` after ${seconds(ms)}` : ''}`;
}

async function ended(session: Session, result: RunResult, clock: Clock): Promise<Ending> {
  const { screen, desk } = session;
  summary(screen, result, await entriesOf(desk.journal, result.runId), clock);
  const mails = await mailsOf(result.runId);
  screen.line(`mail  ${mails.length ? mails.join(', ') : process.env.SMTP_URL ? 'sent to your own server' : 'none was sent'}`);
  screen.line(`next  ${command(`show ${result.runId}`)}`);
  if (result.status === 'stopped') screen.line(`      ${command(`resume ${result.runId}`)}`);
  screen.line(`      ${command('runs')}`);
  screen.line('      npm run demo:crash   (the job survives a kill)');
  return result.status === 'completed' ? 'completed' : 'ended';
}

function paused({ screen }: Session, run: string): Ending {
  screen.line();
  screen.prose('PAUSED  it waits for your decision, and nothing else: no process, no timer. Approve with:');
  screen.line(`  ${command(`resume ${run} --approve`)}`);
  screen.prose('or without --approve, to be asked in a terminal; or with --reject "why".');
  return 'later';
}

function farewell({ screen }: Session, run: string): Ending {
  screen.line();
  screen.line(`nothing lost; go on with: ${command(`resume ${run}`)}`);
  return 'interrupted';
}
