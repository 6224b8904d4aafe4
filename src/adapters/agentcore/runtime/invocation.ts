/** What the platform says of a request, in its headers. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { type Context, context, propagation, trace } from '@opentelemetry/api';
import { isName, type Principal } from '../../../ports/principal.ts';
import { type Auth, type AuthOption, authenticate, checkHost, type KnownCaller } from '../../../server/auth.ts';
import { HttpError } from '../../../server/errors.ts';
import type { Handler } from '../../../server/listen.ts';
import { ATTR } from '../../../telemetry/names.ts';
import { parseTraceparent } from '../../../telemetry/traceparent.ts';
import { CUSTOM, isSessionId, REQUEST, SESSION, USER, WORKLOAD_TOKEN } from '../headers.ts';
import { ifLocal } from './place.ts';

/** One request, as the platform passed it on. */
export interface Invocation {
  /** 33 to 256 characters. */
  readonly session: string;
  readonly requestId: string;
  /** Where a user comes back after a consent. */
  readonly callbackUrl: string | undefined;
  /** The headers of the runtime's allow-list, `...-Runtime-Custom-*`, by names in lower case. */
  readonly custom: Readonly<Record<string, string>>;
  /** The token of the workload, for AgentCore Identity. A function, so that it is in no log. */
  readonly workloadToken: () => string | undefined;
}

/** A request whose caller is known. */
export interface Asked extends KnownCaller {
  readonly invocation: Invocation;
  /** The caller's span, and the baggage, in which the session is. */
  readonly span: Context;
}

export interface Access {
  readonly auth: AuthOption;
  /** Whether `...-User-Id` is of the platform. */
  readonly platform: boolean;
  /** Whether a request without a session id is refused. */
  readonly needsSession: boolean;
  readonly tell: (error: unknown) => void;
}

const current = new AsyncLocalStorage<Asked>();

/** The invocation that the calling code is part of, such as a tool of the agent; undefined outside of one, and for a run that was resumed without one. */
export const currentInvocation = (): Invocation | undefined => current.getStore()?.invocation;

/** Who invoked the calling code; undefined outside of an invocation. It need not be the user of the run that is driven there. */
export const currentPrincipal = (): Principal | undefined => current.getStore()?.by;

/** Runs something as part of the invocation, and as a child of the caller's span. */
export function within<T>(asked: Asked, run: () => T): T {
  return current.run(asked, () => context.with(asked.span, run));
}

/** The caller of the invocation, for handlers that authenticate by themselves: of a caller whom the platform names, a token says nothing. */
export const currentCaller: Auth = Object.assign(() => currentPrincipal(), { assertion: () => current.getStore()?.assertion });

/** A handler that is called as part of an invocation. */
export const asInvocation =
  (access: Access, handler: Handler): Handler =>
  async (request) =>
    within(await askedBy(request, access), () => handler(request));

/** @throws HttpError 400 for malformed headers, 401, 403, 503. */
export async function askedBy(request: Request, access: Access): Promise<Asked> {
  const { auth, platform, tell } = access;
  checkHost(request, auth);
  const { headers } = request;
  const known = await callerOf(request, auth, platform, tell);
  const invocation = invocationOf(headers, access.needsSession);
  return { ...known, invocation, span: withSession(spanOf(headers), invocation.session) };
}

/** A caller who was authenticated here is who that says. The header of the platform counts only where no one else could set it. */
async function callerOf(request: Request, auth: AuthOption, platform: boolean, tell: (error: unknown) => void): Promise<KnownCaller> {
  const user = typeof auth === 'function' || !platform ? null : request.headers.get(USER);
  if (user === null) return authenticate(request, auth, tell);
  if (!isName(user)) throw new HttpError(400, `${USER} is a text of 1 to 500 characters.`);
  return { by: { id: user }, assertion: undefined };
}

function invocationOf(headers: Headers, needsSession: boolean): Invocation {
  const session = headers.get(SESSION);
  if (session === null && needsSession)
    throw new HttpError(400, `${SESSION} is missing: the session of the request, 33 to 256 characters.${ifLocal()}`);
  if (session !== null && !isSessionId(session)) throw new HttpError(400, `${SESSION} is a text of 33 to 256 characters.`);
  const requestId = headers.get(REQUEST) ?? randomUUID();
  if (!/^[\x21-\x7e]{1,256}$/.test(requestId)) throw new HttpError(400, `${REQUEST} is a text of 1 to 256 characters.`);
  const callbackUrl = headers.get('oauth2callbackurl') ?? undefined;
  if (callbackUrl !== undefined && !URL.canParse(callbackUrl)) throw new HttpError(400, 'OAuth2CallbackUrl is a URL.');
  return {
    session: session ?? randomUUID(),
    requestId,
    callbackUrl,
    get custom() {
      return customOf(headers);
    },
    workloadToken: () => headers.get(WORKLOAD_TOKEN) ?? headers.get('workloadaccesstoken') ?? undefined,
  };
}

/** Looked for when it is asked for, because reading all headers of a request takes long. */
function customOf(headers: Headers): Record<string, string> {
  const custom: Record<string, string> = {};
  for (const [name, value] of headers) if (name.startsWith(CUSTOM)) custom[name] = value;
  return custom;
}

const TRACED = ['traceparent', 'baggage', 'x-amzn-trace-id'];

/** The caller's span with its baggage: by the application's propagator, and without one by `traceparent` alone. */
function spanOf(headers: Headers): Context {
  const found = TRACED.filter((name) => headers.has(name));
  if (found.length === 0) return context.active();
  const carrier = Object.fromEntries([...found, 'tracestate'].map((name) => [name, headers.get(name) ?? '']));
  const extracted = propagation.extract(context.active(), carrier);
  const span = trace.getSpanContext(extracted) ? undefined : parseTraceparent(carrier.traceparent);
  return span ? trace.setSpanContext(extracted, span) : extracted;
}

/** By this baggage AWS's distribution of OpenTelemetry marks every span of a session; the platform sends it, and other callers may not. */
function withSession(under: Context, session: string): Context {
  const baggage = propagation.getBaggage(under) ?? propagation.createBaggage();
  return baggage.getEntry(ATTR.session) ? under : propagation.setBaggage(under, baggage.setEntry(ATTR.session, { value: session }));
}
