import { createHash } from 'node:crypto';
import type { Message } from '@a2a-js/sdk';
import { RequestMalformedError, UnsupportedOperationError } from '@a2a-js/sdk/errors';
import type { ServerCallContext } from '@a2a-js/sdk/server';
import { context, type SpanContext, trace } from '@opentelemetry/api';
import { isDeep, type Json } from '../../json.ts';
import { isName, type Principal } from '../../ports/principal.ts';
import { DEPTH, LIMIT } from './names.ts';

/** Who calls, and which contexts are theirs. */
export interface Caller {
  readonly by: Principal;
  /** Stands for all who see the same tasks: in the name of each session, so that no caller reaches another's. */
  readonly scope: string;
  /** The caller's span. */
  readonly span: SpanContext | undefined;
  /** Aborted when the caller hangs up: the run goes on without a listener. */
  readonly gone: AbortSignal;
}

const CALLER = 'rondo';
export const callerOf = (ctx: ServerCallContext): Caller => ctx.state.get(CALLER) as Caller;
export const stateWith = (caller: Caller): Map<string, unknown> => new Map([[CALLER, caller]]);

const hash = (...words: unknown[]) => createHash('sha256').update(JSON.stringify(words)).digest('hex');

/** @param tasks whose tasks a caller sees: only their own, or those of their whole tenant. */
export const scopeOf = (agent: string, { id, tenant }: Principal, tasks: 'own' | 'tenant'): string =>
  hash(agent, tenant ?? null, tasks === 'own' ? id : null).slice(0, 24);

/** Tasks of one context that may be open side by side. */
const MOST_OPEN = 100;

/** The sessions of a context, in the order in which they are used: a session has one open run, a context may have several open tasks. */
export const sessionsOf = ({ scope }: Caller, contextId: string): string[] =>
  Array.from({ length: MOST_OPEN }, (_, i) => `a2a${i === 0 ? '' : `+${i}`}:${scope}:${contextId}`);

/** The context of a session; undefined for one that is not this caller's. */
export function contextOf({ scope }: Caller, session: string | undefined): string | undefined {
  const [, of, contextId] = /^a2a(?:\+\d+)?:([^:]*):(.*)$/s.exec(session ?? '') ?? [];
  return of === scope ? contextId : undefined;
}

/**
 * The id of the run, and so of the task, that a message starts: the same for the same message of the same caller, so that one that
 * comes twice starts one run. It says how deep in a chain of agents the run is, for the agents it delegates to: see {@link depthOf}.
 */
export const taskIdOf = ({ scope }: Caller, depth: number, { messageId, contextId, parts }: Message): string =>
  `a2a-${depth}-${hash(scope, messageId, contextId, parts).slice(0, 32)}`;

/** How many agents of other processes are above a run. */
export const depthOf = (runId: string): number => Number(/^a2a-(\d{1,6})-[0-9a-f]{32}$/.exec(runId)?.[1] ?? 0);

/** @throws RequestMalformedError, or UnsupportedOperationError above `max`. */
export function checkMessage(message: Message | undefined, metadata: { [k: string]: unknown } | undefined, max: number): number {
  if (!message) throw new RequestMalformedError('message is required.');
  const { messageId, contextId, parts } = message;
  if (!isName(messageId) || messageId.length > LIMIT.id)
    throw new RequestMalformedError(`messageId is a text of 1 to ${LIMIT.id} characters.`);
  if (contextId !== '' && (!isName(contextId) || contextId.length > LIMIT.id))
    throw new RequestMalformedError(`contextId is a text of 1 to ${LIMIT.id} characters.`);
  if (parts.length === 0 || parts.some((p) => p.content === undefined))
    throw new RequestMalformedError('A message has parts, each with its content.');
  if (parts.some((p) => p.content?.$case === 'data' && isDeep(p.content.value as Json)))
    throw new RequestMalformedError('Data is nested at most 200 levels deep.');
  const said: unknown = message.metadata?.[DEPTH] ?? metadata?.[DEPTH] ?? 0;
  if (!Number.isInteger(said) || (said as number) < 0) throw new RequestMalformedError(`${DEPTH} is a whole number.`);
  if ((said as number) > max)
    throw new UnsupportedOperationError(
      `This was passed on by ${said} agents, and ${max} are the most: do agents pass it round in a circle?`,
    );
  return said as number;
}

/** Runs something as a child of the caller's span, where OpenTelemetry is set up. */
export function within<T>({ span }: Caller, run: () => T): T {
  return span ? context.with(trace.setSpanContext(context.active(), span), run) : run();
}
