/** The runs of an engine as HTTP resources. */
import type { Engine } from '../engine/engine.ts';
import type { RunOptions } from '../engine/options.ts';
import { notFound } from '../engine/read/lookup.ts';
import type { RunState } from '../engine/read/results.ts';
import { RondoError } from '../errors.ts';
import { digest } from '../journal/canonical.ts';
import type { Decision, Limits } from '../journal/entries/entries.ts';
import type { Json, JsonObject } from '../json.ts';
import type { Agent } from '../loop/types.ts';
import { isName, type Principal } from '../ports/principal.ts';
import { accepted, idOf, isSameRun, keepStreaming } from './accept.ts';
import { json } from './answer.ts';
import type { KnownCaller } from './auth.ts';
import { type BodyLimits, readJson } from './body.ts';
import { HttpError } from './errors.ts';
import { begun, lastEventId, sse } from './sse.ts';

export interface RunsOptions extends BodyLimits {
  readonly engine: Engine;
  readonly agents: ReadonlyMap<string, Agent>;
  /** Prefix of the routes, such as `/api`, without a trailing slash. */
  readonly path: string;
  readonly limits?: Limits;
  readonly context?: (by: Principal) => Json;
  readonly heartbeat?: number;
  readonly tell: (error: unknown) => void;
}

type Act = (o: RunsOptions, request: Request, caller: KnownCaller, runId: string) => Promise<Response>;

/** By what follows `/runs` in the path: nothing, a run id, or a run id and an action. */
const ROUTES: Readonly<Record<string, Readonly<Record<string, Act>>>> = {
  '': { POST: startRun },
  id: { GET: readRun },
  events: { GET: readEvents },
  approvals: { GET: readApprovals },
  decisions: { POST: decideRun },
  cancel: { POST: cancelRun },
};

/** The action for a request, found before the caller is authenticated. @throws HttpError 404, 405. */
export function routeOf(o: RunsOptions, request: Request): (caller: KnownCaller) => Promise<Response> {
  const { pathname } = new URL(request.url);
  const below = pathname.startsWith(`${o.path}/`) ? pathname.slice(o.path.length) : '';
  const match = /^\/runs(?:\/([^/]+)(?:\/(events|approvals|decisions|cancel))?)?\/?$/.exec(below);
  if (!match) throw nothingHere(o);
  const [, id, word = 'id'] = match;
  const acts = ROUTES[id === undefined ? '' : word] ?? {};
  const act = acts[request.method];
  const allow = Object.keys(acts).join(', ');
  if (!act) throw new HttpError(405, `The method here is ${allow}.`, { allow });
  const runId = id === undefined ? '' : decoded(o, id);
  return (caller) => act(o, request, caller, runId);
}

const nothingHere = ({ path }: RunsOptions) => new HttpError(404, `There is nothing here: runs are at ${path}/runs.`);

function decoded(o: RunsOptions, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw nothingHere(o);
  }
}

/** The body. Unknown fields are refused: a misspelt one would be ignored, and `by` comes from authentication only. */
async function fieldsOf(o: RunsOptions, request: Request, known: readonly string[]): Promise<JsonObject> {
  const body = await readJson(request, o);
  const fields = `with ${known.map((name) => `"${name}"`).join(', ')}`;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new HttpError(400, `The body is an object ${fields}.`);
  const other = Object.keys(body).find((name) => !known.includes(name));
  if (other !== undefined) throw new HttpError(400, `The body has the field "${other.slice(0, 100)}". It is an object ${fields}.`);
  return body as JsonObject;
}

async function startRun(o: RunsOptions, request: Request, { by, assertion }: KnownCaller): Promise<Response> {
  const { engine, agents, limits, context } = o;
  const { input, session, agent: name } = await fieldsOf(o, request, ['input', 'session', 'agent']);
  if (input === undefined) throw new HttpError(400, 'input is missing: what the agent is asked.');
  if (session !== undefined && !isName(session)) throw new HttpError(400, 'session is a text of 1 to 500 characters.');
  const only = name === undefined && agents.size === 1 ? [...agents.values()][0] : undefined;
  const agent = typeof name === 'string' ? agents.get(name) : only;
  if (!agent) throw new HttpError(400, `agent is one of ${[...agents.keys()].map((known) => `"${known}"`).join(', ')}.`);
  const key = request.headers.get('idempotency-key');
  if (key !== null && !isName(key)) throw new HttpError(400, 'Idempotency-Key is a text of 1 to 500 characters.');
  const fingerprint = key === null ? undefined : fingerprintOf(key, input, session);
  const options = {
    by,
    id: key === null ? undefined : idOf(by, agent.name, key),
    session,
    assertion,
    limits,
    context: context?.(by),
    ...(fingerprint !== undefined && { tags: { [REQUEST]: fingerprint } }),
  } as RunOptions<Json>;
  const run = engine.run(agent, input, options);
  let created = true;
  try {
    void keepStreaming(await accepted(run));
  } catch (error) {
    if (fingerprint === undefined || !isSameRun(error, run.id)) throw error;
    if (!(await isRepeated(engine, run.id, by, fingerprint))) throw otherBody(run.id);
    created = false;
  }
  const headers = { location: `${o.path}/runs/${encodeURIComponent(run.id)}` };
  return json(created ? 201 : 200, { runId: run.id }, headers);
}

/** The tag of a run that has the fingerprint of its request. The input in the journal may be what a policy or a guardrail made of it. */
const REQUEST = 'request';
/** With the key in it, so that it does not tell what a short input is. */
const fingerprintOf = (key: string, input: Json, session: Json = null) => digest([key, input, session]);

const otherBody = (runId: string) =>
  new RondoError('INPUT_REFUSED', 'The Idempotency-Key came with another body before. Send another request with another key.', {
    details: { runId },
  });

/** Whether a run was started by such a request, as far as that can be told: a run that was erased has no tags. */
async function isRepeated(engine: Engine, runId: string, by: Principal, fingerprint: string): Promise<boolean> {
  try {
    for await (const entry of engine.entries(runId, { by })) {
      const was = entry.type === 'run.started' ? entry.tags?.[REQUEST] : undefined;
      return was === undefined || was === fingerprint;
    }
  } catch (error) {
    // who may start runs need not be allowed to look at them
    if (!RondoError.is(error, 'NOT_PERMITTED')) throw error;
  }
  return true;
}

/** The run, if the caller may see it. @throws RondoError `RUN_NOT_FOUND`, the same for a missing run and one of another tenant or agent. */
async function seen({ engine, agents }: RunsOptions, by: Principal, runId: string): Promise<RunState> {
  const state = await engine.inspect(runId, { by });
  if (!agents.has(state.agent)) throw notFound(runId);
  return state;
}

async function readRun(o: RunsOptions, _: Request, { by }: KnownCaller, runId: string): Promise<Response> {
  const { agent, status, session, steps, usage, costUsd, seq, result } = await seen(o, by, runId);
  return json(200, { runId, agent, status, session, steps, usage, costUsd, seq, ...result });
}

async function readEvents(o: RunsOptions, request: Request, { by }: KnownCaller, runId: string): Promise<Response> {
  const after = lastEventId(request);
  const { status } = await seen(o, by, runId);
  const { signal } = request;
  const events = o.engine.watch(runId, { by, signal, after });
  const options = { signal, heartbeat: o.heartbeat };
  if (status === 'running' || status === 'queued') return sse(events, options);
  // 204 stops the reconnects of a browser that has seen the last event
  const rest = await begun(events);
  return rest ? sse(rest, options) : new Response(null, { status: 204 });
}

async function readApprovals(o: RunsOptions, _: Request, { by }: KnownCaller, runId: string): Promise<Response> {
  const { approvals } = await seen(o, by, runId);
  return json(200, { runId, approvals });
}

/** Journals decisions and resumes the run. They are recorded as decisions of the authenticated caller. */
async function decideRun(o: RunsOptions, request: Request, { by, assertion }: KnownCaller, runId: string): Promise<Response> {
  const { engine, tell } = o;
  const { decisions } = await fieldsOf(o, request, ['decisions']);
  await seen(o, by, runId);
  const approvals = await engine.decide(runId, decisions as readonly Decision[], { by });
  // not awaited: the decisions are in the journal, so if the run cannot resume now, a worker will
  const run = engine.resume(runId, { by, assertion });
  void keepStreaming(run[Symbol.asyncIterator]());
  run.catch((error) => {
    if (!RondoError.is(error, 'RUN_BUSY') && !RondoError.is(error, 'ENGINE_CLOSED')) tell(error);
  });
  return json(200, { runId, approvals });
}

async function cancelRun(o: RunsOptions, request: Request, { by }: KnownCaller, runId: string): Promise<Response> {
  const { reason } = await fieldsOf(o, request, ['reason']);
  if (reason !== undefined && (typeof reason !== 'string' || reason.length > 1_000))
    throw new HttpError(400, 'reason is a text of at most 1,000 characters.');
  await seen(o, by, runId);
  await o.engine.cancel(runId, { by, reason });
  return json(202, { runId });
}
