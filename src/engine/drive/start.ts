import { invalid } from '../../errors.ts';
import type { Draft } from '../../journal/entries/entries.ts';
import { emptyFold } from '../../journal/fold/fold.ts';
import type { Json } from '../../json.ts';
import { checkLimits } from '../../loop/definition.ts';
import { checkToolChoice } from '../../loop/model/tool-choice.ts';
import type { AgentDefinition } from '../../loop/types.ts';
import { checkOptions, plain } from '../../options.ts';
import { type Asked, inputOf } from '../../ports/input.ts';
import type { ToolChoice } from '../../ports/model.ts';
import { checkBy, isName, principal } from '../../ports/principal.ts';
import { aboutStart } from '../about.ts';
import { allowedInput, assertAccess, checksStarts } from '../access.ts';
import { RUN_OPTIONS, type RunOptions } from '../options.ts';
import type { RunResult } from '../read/results.ts';
import type { Resources } from '../resources.ts';
import { assertionOf } from './assertion.ts';
import { drive } from './drive.ts';
import { sessionOf } from './history.ts';
import type { LiveRun } from './live-run.ts';

export type Started = Draft & { type: 'run.started' };

const SESSION = { id: "id: 'ticket-7'", shared: 'shared: true' };

/** Checks the options of a run, before anything starts. @throws RondoError `CONFIG_INVALID`. */
export function checkRun(agent: AgentDefinition, o: RunOptions<Json>, known: Readonly<Record<string, string>> = RUN_OPTIONS): void {
  const where = `the run of agent "${agent.name}"`;
  checkOptions(o, known, where, { signal: 'signal', tags: 'object' });
  checkLimits(o.limits, where);
  if (o.id !== undefined && !isName(o.id)) throw invalid(`${where}: an id is a text of 1 to 500 characters.`);
  if (typeof o.session === 'object' && o.session) checkOptions(o.session, SESSION, `${where}: session`, { shared: 'flag' });
  const session = typeof o.session === 'object' && o.session ? o.session.id : o.session;
  if (o.session !== undefined && !isName(session))
    throw invalid(`${where}: a session is a text of 1 to 500 characters, or { id, shared: true }.`);
  if (o.tags !== undefined && !Object.values(o.tags).every((tag) => typeof tag === 'string'))
    throw invalid(`${where}: tags are texts by name.`);
  checkToolChoice(o.toolChoice, agent);
  checkBy(o.by, where);
  assertionOf(o.assertion, where);
}

/** The input of a run. For an agent with an input schema it is data, even if it looks like messages. @throws RondoError `CONFIG_INVALID`. */
function inputFor(agent: AgentDefinition, input: unknown): Asked {
  const where = `the input of agent "${agent.name}"`;
  const json = plain(input, where);
  return agent.input ? { input: json } : inputOf(json, (why) => invalid(`${where}: ${why}.`));
}

const sessionIn = ({ session }: RunOptions<Json>) => (typeof session === 'string' ? { id: session } : session);

/** The first entry of a run, without the policy's changes and without the session's runs before it. @throws RondoError `CONFIG_INVALID`. */
export function firstEntry(resources: Resources, agent: AgentDefinition, input: unknown, o: RunOptions<Json>): Started {
  const session = sessionIn(o);
  const started: Started = {
    type: 'run.started',
    agent: agent.name,
    fingerprint: agent.fingerprint,
    ...inputFor(agent, input),
    owner: resources.owner,
  };
  if (o.by) started.by = principal(o.by);
  if (o.context !== undefined) started.context = plain(o.context, 'the context');
  if (o.toolChoice !== undefined) started.toolChoice = plain(o.toolChoice, 'toolChoice') as ToolChoice;
  if (o.tags) started.tags = { ...o.tags };
  if (o.limits) started.limits = { ...o.limits };
  if (session) started.session = session.id;
  if (session?.shared === true && started.by) started.shared = true;
  return started;
}

/** The first entry as policy and guardrails allow it. @throws RondoError `NOT_PERMITTED`, `INPUT_REFUSED`, `GUARDRAIL_FAILED`. */
export async function allowedStart(resources: Resources, agent: AgentDefinition, runId: string, started: Started): Promise<Started> {
  const about = aboutStart(runId, started);
  await assertAccess(resources, 'run', started.by, about);
  return {
    ...started,
    earlier: undefined,
    ...(await allowedInput(resources, started.by, about, started, agent.input ? undefined : 'content')),
  };
}

/** Starts a run, after its input was checked and the session was read. Without policy, guardrails and session it starts synchronously. */
export async function start(
  resources: Resources,
  live: LiveRun,
  agent: AgentDefinition,
  input: unknown,
  o: RunOptions<Json>,
): Promise<RunResult> {
  const { runId } = live;
  const session = sessionIn(o);
  live.asked = { by: o.by, agent: agent.name, session: session?.id };
  let started = firstEntry(resources, agent, input, o);
  if (checksStarts(resources)) started = await allowedStart(resources, agent, runId, started);
  // the session is read once the tools are listed: others may begin and end until then
  if (session) started = { ...started, ...(await sessionOf(resources.journal, started)) };
  const opened = started;
  return drive(resources, live, {
    agent,
    run: emptyFold(runId, agent.name),
    // called again after a conflict, and entries are made of what it returns
    opening: (trace, _, continued) => [{ ...opened, ...continued, ...(trace && { trace }) }],
    joins: session && { how: 'new', session: opened },
    limits: o.limits,
    assertion: assertionOf(o.assertion, 'the run'),
    session: started.session,
    by: started.by,
  });
}
