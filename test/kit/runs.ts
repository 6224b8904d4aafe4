import { expect } from 'vitest';
import { type ErrorCode, type Json, jsonSchema, type Message, type ModelRequest, RondoError, type RunResult } from '../../src/index.ts';
import type { Scripted } from '../../src/testing/scripted.ts';

/** Expects a refusal with a code and a message to go by, and returns it. */
export async function refused<C extends ErrorCode>(code: C, attempt: PromiseLike<unknown> | (() => unknown)): Promise<RondoError<C>> {
  let value: unknown;
  try {
    value = await (typeof attempt === 'function' ? attempt() : attempt);
  } catch (error) {
    if (!RondoError.is(error, code)) throw new Error(`expected ${code}, got ${error}`, { cause: error });
    expect(error.message.length).toBeGreaterThan(20);
    expect(JSON.parse(JSON.stringify(error.details))).toEqual(error.details);
    return error;
  }
  throw new Error(`expected ${code}, but it was accepted: ${JSON.stringify(value)}`);
}

type Asked = readonly [tool: string, input: Json, id?: string];
/** An answer of a model that calls tools. */
export const asks = (...calls: readonly Asked[]): Scripted => ({
  toolCalls: calls.map(([name, input, id], i) => ({ name, input, id: id ?? `${name}-${i}` })),
});

export interface Seen {
  id: string;
  text: string;
  isError: boolean;
}
/** The results of calls in a list of messages, in their order. */
export function resultsIn(messages: readonly Message[] | undefined): Seen[] {
  const parts = (messages ?? []).filter((m) => m.role === 'tool').flatMap((m) => m.content);
  return parts.flatMap((p) =>
    p.type === 'toolResult'
      ? [{ id: p.id, text: p.output.map((o) => (o.type === 'text' ? o.text : `(${o.type})`)).join(''), isError: p.isError === true }]
      : [],
  );
}
/** The same of what a model was shown. */
export const shown = (request: ModelRequest | undefined) => resultsIn(request?.messages);
/** What the agent was told of a call that failed. */
export const failure = (seen: Seen | undefined) =>
  JSON.parse(seen?.text ?? 'null') as { code: string; message: string; outcome: string; attempts: number; retryable: boolean };

export const anything = jsonSchema<{ readonly [k: string]: Json }>({ type: 'object' });
export const nothing = jsonSchema<{ readonly [k: string]: Json }>({ type: 'object', properties: {}, additionalProperties: false });

/** How a run ended. One that paused waits for a person: see test/waiting for those that do not. */
type Ends<S> = Exclude<Extract<RunResult, { status: S }>, { approvals: readonly [] }>;

/** The result, which must be of this status. */
export async function ends<S extends RunResult['status']>(run: PromiseLike<RunResult>, status: S): Promise<Ends<S>> {
  const result = await run;
  if (result.status !== status) throw new Error(`expected ${status}, got ${JSON.stringify(result)}`);
  return result as Ends<S>;
}
