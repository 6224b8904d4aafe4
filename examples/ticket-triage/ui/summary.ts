import type { Entry, RunResult } from 'rondo';
import { safe } from '../../kit/safe.ts';
import { dollars, number, type Screen, seconds } from '../../kit/screen.ts';

/** The times of this process. */
export interface Clock {
  /** Epoch milliseconds. */
  started: number;
  /** Milliseconds until the run could start or resume: loading, the journal, the ticket service. */
  startUp: number;
  /** Milliseconds spent waiting for a decision. */
  you: number;
}

/** The end of a run in a few lines. Counts are of its whole journal, times of this process. */
export function summary(screen: Screen, result: RunResult, entries: readonly Entry[], clock: Clock): void {
  const c = count(entries);
  const counts = [
    plural(result.steps, 'step'),
    `${plural(c.tools, 'tool')} ran`,
    c.retries && plural(c.retries, 'retry', 'retries'),
    c.breakers && plural(c.breakers, 'breaker'),
    c.approvals && plural(c.approvals, 'approval'),
    c.unknown && `${c.unknown} outcome unknown`,
  ].filter(Boolean);
  screen.line();
  if (result.status === 'completed') screen.prose(String(result.output));
  screen.prose(`${result.status.toUpperCase()}  ${counts.join(', ')}`);
  if (result.status === 'failed') screen.prose(`why   ${safe(`${result.error.code}: ${result.error.message}`)}`);
  if (result.status === 'stopped') screen.prose(`why   its limit of ${number(result.limit.max)} ${result.limit.name} is reached`);
  if (result.status === 'cancelled' && result.reason) screen.prose(`why   ${safe(result.reason)}`);
  screen.prose(`time  ${times(entries, clock, c.standin)}`);
  const { input, output, cacheRead = 0, cacheWrite = 0 } = result.usage;
  const tokens = `${c.standin ? '~' : ''}${number(input + cacheRead + cacheWrite)} tokens in, ${c.standin ? '~' : ''}${number(output)} out`;
  screen.prose(
    c.standin
      ? `cost  $0, no model was called; ~ means estimated (${tokens})`
      : `cost  ${result.costUsd === undefined ? 'unknown: no price is known for this model' : dollars(result.costUsd)} (${tokens})`,
  );
}

function count(entries: readonly Entry[]) {
  const tools = entries.filter((e) => e.type === 'call.finished');
  return {
    tools: tools.filter((e) => e.error?.outcome !== 'not-run').length,
    retries: entries.filter((e) => e.type === 'attempt.failed' && e.retryIn !== undefined).length,
    breakers: tools.some((e) => e.error?.code === 'CIRCUIT_OPEN') ? 1 : 0,
    approvals: entries.filter((e) => e.type === 'approval.decided').length,
    unknown: tools.filter((e) => e.error?.outcome === 'unknown').length,
    standin: entries.some((e) => e.type === 'model.responded' && e.standin),
  };
}

function times(entries: readonly Entry[], { started, startUp, you }: Clock, standin: boolean): string {
  const here = entries.filter((e) => e.at >= started);
  const total = Date.now() - started;
  const tools = together(here);
  const model = here.reduce((sum, e) => sum + (e.type === 'model.responded' ? e.ms : 0), 0);
  const engine = Math.max(total - you - startUp - tools - model, 0);
  const parts = [
    you > 0 && `you ${seconds(you)}`,
    `tools and backoff ${seconds(tools)}`,
    !standin && `model ${seconds(model)}`,
    `start-up ${seconds(startUp)}`,
    `engine ${seconds(engine + (standin ? model : 0))}`,
  ].filter(Boolean);
  return `${seconds(total)}: ${parts.join(', ')}`;
}

/** Milliseconds during which at least one call ran: parallel ones count once. */
function together(entries: readonly Entry[]): number {
  let running = 0;
  let since = 0;
  let sum = 0;
  for (const { type, at } of entries) {
    if (type === 'call.started' && running++ === 0) since = at;
    if (type === 'call.finished' && running > 0 && --running === 0) sum += at - since;
  }
  return sum;
}

const plural = (n: number, one: string, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;
