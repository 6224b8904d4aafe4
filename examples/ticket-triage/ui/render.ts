import type { Json, RunEvent } from 'rondo';
import { brief } from '../../kit/entries.ts';
import { oneLine, wholeWords, wrapped } from '../../kit/safe.ts';
import { columns, dollars, number, room, type Screen, seconds } from '../../kit/screen.ts';

/** The column under the word THINK, and under the name of a tool. */
const THOUGHT = 15;
const CALL = 21;
type Of<T extends RunEvent['type']> = Extract<RunEvent, { type: T }>;

/** Prints the events of a run live: a block when the model has answered, a block when a call has ended. */
export class Render {
  readonly #screen: Screen;
  /** The time, epoch milliseconds, from which the times on the left count. */
  readonly #since: number;
  readonly #running = new Map<string, { at: number; tool: string; input: Json; failed: Of<'attempt.failed'>[] }>();
  /** The decisions, by tool, until their call has ended. */
  readonly #decided = new Map<string, string>();
  #step = 0;
  #tokens = 0;
  #seen = -1;

  constructor(screen: Screen, since: number) {
    this.#screen = screen;
    this.#since = since;
  }

  show(event: RunEvent): void {
    if (event.seq !== undefined) {
      if (event.seq <= this.#seen) return;
      this.#seen = event.seq;
    }
    switch (event.type) {
      case 'run.started':
      case 'run.resumed':
        this.#screen.status(() => this.#status());
        break;
      case 'model.finished':
        this.#thought(event);
        break;
      case 'attempt.failed':
        this.#attempt(event);
        break;
      case 'tool.started':
        this.#running.set(event.callId, { at: event.at, tool: event.tool, input: event.input, failed: [] });
        break;
      case 'tool.finished':
        this.#acted(event);
        break;
      case 'approval.asked':
        if (event.approval.kind === 'tool') this.#line(event.at, '', `ACT   ${oneLine(event.approval.tool, 30)}`, 'ASK         ');
        break;
    }
  }

  decided(tool: string, text: string): void {
    this.#decided.set(tool, text);
  }

  #thought({ at, ms, step, model, message, usage, costUsd }: Of<'model.finished'>): void {
    this.#step = step;
    const standin = model.startsWith('standin/');
    const about = standin ? '~' : '';
    const tokensIn = usage && usage.input + (usage.cacheRead ?? 0) + (usage.cacheWrite ?? 0);
    this.#tokens += (tokensIn ?? 0) + (usage?.output ?? 0);
    const count = (n: number | undefined) => (n === undefined ? '?' : `${about}${number(n)}`);
    const used = `${count(tokensIn).padStart(6)} in ${count(usage?.output).padStart(5)} out ${dollars(costUsd).padStart(4)}`;
    // without the region and vendor of a Bedrock id; the dot of a version stays
    const name = standin ? 'rules' : oneLine(model.replace(/^(.*\/)?(.*\.(?=[a-z]))?/, ''), 30);
    this.#line(at - ms, `step ${step}`, `THINK ${name}`, used);
    for (const part of message.content) {
      // the last text is the result, and shown as such
      const shown = part.type === 'reasoning' || (part.type === 'text' && message.content.some((p) => p.type === 'toolCall'));
      if (shown && part.text.trim()) this.#below(THOUGHT, part.text);
    }
  }

  #attempt(event: Of<'attempt.failed'>): void {
    const call = event.callId === undefined ? undefined : this.#running.get(event.callId);
    if (call) call.failed.push(event);
    else
      this.#below(THOUGHT, `attempt ${event.attempt}: ${event.code}${event.fallback ? `, on with ${event.fallback}` : ''}${wait(event)}`);
  }

  #acted({ at, ms, callId, tool, outcome, attempts }: Of<'tool.finished'>): void {
    const call = this.#running.get(callId);
    this.#running.delete(callId);
    const decision = this.#decided.get(tool);
    this.#decided.delete(tool);
    const unknown = !outcome.ok && outcome.error.outcome === 'unknown';
    const ended = unknown ? 'UNKNOWN     ' : `${outcome.ok ? 'ok  ' : 'FAIL'} ${seconds(ms).padStart(7)}`;
    const said = `ACT   ${wholeWords(`${tool} ${brief(tool, call?.input ?? null)}`.trim(), room(ended, this.#screen.width) - THOUGHT - 6)}`;
    const quiet = outcome.ok && !call?.failed.length;
    if (decision) {
      // a rejection by a person is not a failure
      const refused = !outcome.ok && outcome.error.code === 'REJECTED';
      this.#line(at - ms, '', decision, refused ? 'NOT RUN     ' : quiet ? ended : '');
      if (refused) {
        this.#below(CALL, `told to the agent: ${outcome.error.message}`);
        return;
      }
    }
    if (!decision) this.#line(call?.at ?? at - ms, '', said, quiet ? ended : '');
    for (const failed of call?.failed ?? []) this.#below(CALL, `attempt ${failed.attempt}: ${failed.code}${wait(failed)}`);
    if (outcome.ok) {
      if (!quiet) this.#below(CALL, `attempt ${attempts}`, ended);
      const found = gist(tool, outcome.output);
      if (found) this.#below(CALL, found);
      return;
    }
    const { code, message, retryAfter, outcome: known } = outcome.error;
    if (code === 'CIRCUIT_OPEN') {
      this.#below(CALL, 'CIRCUIT_OPEN, not run', ended);
      this.#below(CALL, `breaker OPEN${retryAfter === undefined ? '' : ` ${seconds(retryAfter)}`}; error returned to agent`);
      return;
    }
    this.#below(CALL, attempts > 1 ? `attempt ${attempts}: ${code}, gave up` : `${code}${known === 'not-run' ? ', not run' : ''}`, ended);
    this.#below(CALL, `error to agent: ${message}`);
  }

  #line(at: number, step: string, text: string, right: string): void {
    const time = `${(Math.max(at - this.#since, 0) / 1_000).toFixed(2)}s`.padStart(6);
    this.#screen.line(columns(`${time} ${step.padEnd(7)} ${text}`, right, this.#screen.width));
  }

  #below(indent: number, text: string, right = ''): void {
    const pad = ' '.repeat(indent);
    if (right) this.#screen.line(columns(pad + wholeWords(text, room(right, this.#screen.width) - indent), right, this.#screen.width));
    else for (const line of wrapped(text, this.#screen.width - indent, 3)) this.#screen.line(pad + line);
  }

  #status(): string {
    const now = ((Date.now() - this.#since) / 1_000).toFixed(1);
    const calls = [...this.#running.values()].map((c) => c.tool);
    const doing = calls.length ? `${calls.length > 1 ? `${calls.length} calls` : calls[0]}` : 'thinking';
    return `${now}s  step ${this.#step + (calls.length ? 0 : 1)}  ${doing}  ${number(this.#tokens)} tokens`;
  }
}

const wait = ({ retryIn }: { retryIn?: number }) => (retryIn === undefined ? '' : `, wait ${seconds(retryIn)}`);

/** The result of a call in a few words; undefined if it tells a person nothing. */
function gist(tool: string, output: Json): string | undefined {
  const found = output as { tickets?: { id: string; title: string }[]; issues?: { id: string; advice: string }[] } | null;
  if (tool === 'list_tickets') return found?.tickets?.map((t) => `${t.id} ${t.title}`).join(' | ') || 'none';
  if (tool === 'search_issues') return found?.issues?.map((i) => `${i.id} ${i.advice}`).join(' | ') || 'no known issue';
  return undefined;
}
