/** Old runs as scenarios: their inputs are run again, and their tools' results come from the journal. */
import { Engine } from '../../engine/engine.ts';
import { gradedRun } from '../../engine/evaluate/check.ts';
import type { RunResult } from '../../engine/read/results.ts';
import type { TraceRecord } from '../../engine/trace/trace-record.ts';
import { invalid } from '../../errors.ts';
import type { EntryOf, RunStatus } from '../../journal/entries/entries.ts';
import type { Journal } from '../../journal/port.ts';
import type { Json } from '../../json.ts';
import { checkOptions } from '../../options.ts';
import type { Principal } from '../../ports/principal.ts';
import type { Scenario } from '../declaration.ts';
import { askedOf } from './decisions.ts';
import type { Recorded, RecordedDecision } from './recorded.ts';

export interface FromJournalOptions {
  /** The name of the agent whose runs are taken. */
  agent: string;
  /** Default `completed`. */
  status?: RunStatus;
  /** Most runs, the newest first. Default 20. */
  limit?: number;
  /** Who may see the runs. */
  by?: Principal;
}

const OPTIONS = {
  agent: "agent: 'support'",
  status: "status: 'completed'",
  limit: 'limit: 20',
  by: "by: { id: 'ana', tenant: 'acme' }",
} satisfies Record<keyof FromJournalOptions, string>;

/**
 * The runs of a journal as the scenarios of a benchmark. Nothing is written. A run of a session begins with the conversation that it began
 * with; messages that came while it ran are left out.
 * @throws RondoError `CONFIG_INVALID`, also if there is no such run; `JOURNAL_DAMAGED`.
 */
export async function fromJournal(journal: Journal, o: FromJournalOptions): Promise<Scenario[]> {
  checkOptions(o, OPTIONS, 'fromJournal()');
  const { agent, status = 'completed', limit = 20, by } = o;
  if (typeof agent !== 'string' || agent === '') throw invalid(`fromJournal() needs the name of an agent: { ${OPTIONS.agent} }.`);
  if (!Number.isInteger(limit) || limit < 1) throw invalid(`fromJournal(): limit is ${limit}; it is a whole number of 1 or more.`);
  // it only reads; it is not closed, because the journal is the caller's
  const engine = new Engine({ journal });
  const scenarios: Scenario[] = [];
  for await (const { runId } of engine.runs({ agent, status, limit, ...(by && { by }) }))
    scenarios.push(await scenarioOf(engine, runId, by));
  if (scenarios.length === 0)
    throw invalid(
      `the journal has no ${status} run of agent "${agent}"${by ? ` that "${by.id}" may see` : ''}. Runs of a tenant need by: { id, tenant }.`,
      { details: { runs: 0 } },
    );
  return scenarios;
}

async function scenarioOf(engine: Engine, runId: string, by: Principal | undefined): Promise<Scenario> {
  const viewer = by ? { by } : {};
  const { result } = await engine.inspect(runId, viewer);
  const start = await engine.inspect(runId, { at: 0, ...viewer });
  const trace: TraceRecord[] = [];
  for await (const record of engine.exportTrace(runId, { content: true, ...viewer })) trace.push(record);
  const { started, decisions } = await saidIn(engine, runId, viewer);
  const { by: starter, context, toolChoice, tags } = started;
  const input = start.messages.length > 1 ? start.messages : started.input;
  return {
    name: runId,
    input,
    options: {
      ...(starter && { by: starter }),
      ...(context !== undefined && { context }),
      ...(toolChoice && { toolChoice }),
      ...(tags && { tags }),
    },
    recorded: recordedOf(runId, started.input, result as RunResult, trace, decisions),
  };
}

/** The start of a run, and what people decided in it. */
async function saidIn(engine: Engine, runId: string, o: { by?: Principal }) {
  let started: EntryOf<'run.started'> | undefined;
  const asked = new Map<string, string>();
  const decisions: RecordedDecision[] = [];
  for await (const entry of engine.entries(runId, o)) {
    if (entry.type === 'run.started') started = entry;
    else if (entry.type === 'approval.requested') asked.set(entry.id, askedOf(entry));
    else if (entry.type === 'approval.decided') decisions.push({ asked: asked.get(entry.id) ?? '', decision: entry.decision });
  }
  if (!started) throw invalid(`run ${runId} has no start.`);
  return { started, decisions };
}

function recordedOf(
  runId: string,
  input: Json,
  result: RunResult,
  trace: readonly TraceRecord[],
  decisions: Recorded['decisions'],
): Recorded {
  const { calls, output } = gradedRun(runId, input, result, trace);
  const final = trace.findLast((record) => record.type === 'FINAL_RESPONSE');
  return {
    runId,
    calls,
    decisions,
    output,
    steps: result.steps,
    usage: { ...result.usage },
    costUsd: result.costUsd ?? null,
    ms: final?.durationMs ?? 0,
  };
}
