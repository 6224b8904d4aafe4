import { createHash } from 'node:crypto';
import type { Message } from '@a2a-js/sdk';
import { RequestMalformedError, UnsupportedOperationError } from '@a2a-js/sdk/errors';
import type { ServerCallContext } from '@a2a-js/sdk/server';
import { context, type SpanContext, trace } from '@opentelemetry/api';
import { LIMIT } from '../../foreign/ask-of.ts';
import { isDeep, type Json } from '../../json.ts';
import { isName, type Principal } from '../../ports/principal.ts';
import type { KnownCaller } from '../../server/auth.ts';
import { DEPTH } from './names.ts';
import { malformed } from './refuse.ts';

/** The caller of a request, and the contexts that belong to it. */
export interface Caller extends KnownCaller {
  /** A hash that is the same for all callers who see the same tasks. It is part of each session's name, so no caller reaches another's. */
  readonly scope: string;
  /** The caller's span. */
  readonly span: SpanContext | undefined;
  /** Aborted when the caller disconnects. The run continues. */
  readonly gone: AbortSignal;
}

const CALLER = 'rondo';
export const callerOf = (ctx: ServerCallContext): Caller => ctx.state.get(CALLER) as Caller;
export const stateWith = (caller: Caller): Map<string, unknown> => new Map([[CALLER, caller]]);

const hash = (...words: unknown[]) => createHash('sha256').update(JSON.stringify(words)).digest('hex');

/** @param tasks whether a caller sees only its own tasks, or those of its whole tenant. */
export const scopeOf = (agent: string, { id, tenant }: Principal, tasks: 'own' | 'tenant'): string =>
  hash(agent, tenant ?? null, tasks === 'own' ? id : null).slice(0, 24);

/** Most open tasks of one context. */
const MOST_OPEN = 100;

/** The sessions of a context, in order of use. A session has at most one open run, but a context may have several open tasks. */
export const sessionsOf = ({ scope }: Caller, contextId: string): string[] =>
  Array.from({ length: MOST_OPEN }, (_, i) => `a2a${i === 0 ? '' : `+${i}`}:${scope}:${contextId}`);

/** The context id of a session; undefined if the session belongs to another caller. */
export function contextOf({ scope }: Caller, session: string | undefined): string | undefined {
  const [, of, contextId] = /^a2a(?:\+\d+)?:([^:]*):(.*)$/s.exec(session ?? '') ?? [];
  return of === scope ? contextId : undefined;
}

/**
 * The id of the run, and so of the task, that a message starts. It is deterministic by caller and message, so that a message that arrives
 * twice starts one run. It holds the depth of the run in a chain of agents, for the agents it delegates to: see {@link depthOf}.
 */
export const taskIdOf = ({ scope }: Caller, depth: number, { messageId, contextId, parts }: Message): string =>
  `a2a-${depth}-${hash(scope, messageId, contextId, parts).slice(0, 32)}`;

/** The number of remote agents above a run. */
export const depthOf = (runId: string): number => Number(/^a2a-(\d{1,6})-[0-9a-f]{32}$/.exec(runId)?.[1] ?? 0);

/** Whether a caller may choose this as the id of a message or a context, or name a task by it. */
export const isId = (id: unknown): id is string => isName(id) && id.length <= LIMIT.id;

/** @throws RequestMalformedError for an id of a context that there cannot be. */
export function checkContextId(contextId: unknown): void {
  if (contextId !== '' && !isId(contextId)) throw new RequestMalformedError(`contextId is a text of 1 to ${LIMIT.id} characters.`);
}

function isTyped({ content, mediaType, filename }: Message['parts'][number]): boolean {
  if ([mediaType ?? '', filename ?? ''].some((text) => typeof text !== 'string')) return false;
  if (content?.$case === 'raw') return (content.value as unknown) instanceof Uint8Array;
  return content?.$case === 'data' || typeof content?.value === 'string';
}

/** @returns the depth of the message in a chain of agents. @throws RequestMalformedError, or UnsupportedOperationError above `max`. */
export function checkMessage(message: Message | undefined, metadata: { [k: string]: unknown } | undefined, max: number): number {
  if (!message) throw new RequestMalformedError('message is required.');
  const { messageId, contextId, parts } = message;
  if (!isId(messageId)) throw new RequestMalformedError(`messageId is a text of 1 to ${LIMIT.id} characters.`);
  checkContextId(contextId);
  if (parts.length === 0 || parts.some((p) => p.content === undefined))
    throw new RequestMalformedError('A message has parts, each with its content.');
  // of 0.3 the SDK checks no types
  if (!parts.every(isTyped)) throw malformed('A part of the message');
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

/** Runs something as a child of the caller's span, if the request carried one. */
export function within<T>({ span }: Caller, run: () => T): T {
  return span ? context.with(trace.setSpanContext(context.active(), span), run) : run();
}
