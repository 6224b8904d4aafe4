/** Questions of a server to the person, as approvals; and their answers. */
import { NeedsPerson, type PersonAsked, RondoError } from '../../errors.ts';
import { canonical, sha256 } from '../../journal/canonical.ts';
import type { Json, JsonObject } from '../../json.ts';
import { isObject } from '../../json-schema/keywords.ts';
import { foreignSchema } from '../../json-schema.ts';
import type { ToolContext } from '../../ports/tool.ts';
import type { Answering, Input } from './dialect.ts';
import { cut } from './failure.ts';
import type { Elicited } from './midway.ts';

/** What a call leaves until a person has answered. A type, so that the compiler knows it as JSON. */
export type Left = {
  /** The answers so far: by the server's key for the question, or by its hash. */
  answers: { [key: string]: Elicited };
  /** The question that a person is asked now. */
  pending: string;
  questions: { [key: string]: Input };
  /** Of 2026-07-28: the server has ended the call, and wants the answers, and what it left, with the next one. */
  next?: { requestState?: string };
};

/** What a call left before, with the person's answer. Undefined for what another version of this program may have left. */
export function leftBy({ asked }: Pick<ToolContext, 'asked'>): Left | undefined {
  const left: unknown = asked?.state;
  if (!isLeft(left)) return undefined;
  const params = left.questions[left.pending]?.params ?? {};
  return { ...left, answers: { ...left.answers, [left.pending]: accepted(params, asked?.answer) } };
}

function isLeft(state: unknown): state is Left {
  if (!isObject(state)) return false;
  const { answers, pending, questions, next = {} } = state;
  return (
    isObject(answers) &&
    Object.values(answers).every((answer) => isObject(answer) && typeof answer.action === 'string') &&
    isQuestions(questions) &&
    typeof pending === 'string' &&
    Object.hasOwn(questions, pending) &&
    isObject(next)
  );
}

/** Questions by the server's keys for them. */
export const isQuestions = (value: unknown): value is { readonly [key: string]: Input } =>
  isObject(value) &&
  Object.values(value).every(
    (one) => isObject(one) && typeof one.method === 'string' && (one.params === undefined || isObject(one.params)),
  );

export const keyOf = (params: JsonObject): string => sha256(canonical(params)).slice(0, 32);

/** A person's answer, with the defaults of what they left out. */
function accepted(params: JsonObject, answer: Json | undefined): Elicited {
  if (answer === undefined) return { action: 'accept' };
  const { properties } = (params.requestedSchema ?? {}) as { properties?: { [name: string]: { default?: Json } } };
  const defaults = Object.entries(properties ?? {}).flatMap(([key, one]): [string, Json][] =>
    one?.default === undefined ? [] : [[key, one.default]],
  );
  return { action: 'accept', content: { ...Object.fromEntries(defaults), ...(answer as JsonObject) } };
}

/** What a person is asked. Undefined for what none can be asked: no form, or no page. */
export function questionOf(params: JsonObject, server: string): PersonAsked | undefined {
  const message = cut(typeof params.message === 'string' ? params.message : '', 4_000);
  if (params.mode === 'url') {
    const { url, elicitationId } = params;
    if (typeof url !== 'string' || !/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : '')) return undefined;
    const handle = typeof elicitationId === 'string' && elicitationId !== '' ? { handle: cut(elicitationId, 500) } : {};
    return { provider: server, url, reason: message, ...handle };
  }
  try {
    const answer = params.requestedSchema as JsonObject;
    foreignSchema(answer, 'the form');
    return { question: `"${server}" asks: ${message}`, answer };
  } catch (error) {
    if (!RondoError.is(error)) throw error;
    return undefined;
  }
}

/** A call that the server refused until a person has visited a page (2025-11-25): it is made again then. */
export function toVisit(error: unknown, server: string): NeedsPerson | undefined {
  const { code, data } = (error ?? {}) as { code?: unknown; data?: { elicitations?: readonly JsonObject[] } };
  const asked = code === -32042 && Array.isArray(data?.elicitations) ? data.elicitations : [];
  // there may be forms among them, which are not for a call that was refused
  for (const one of asked.filter((elicitation) => typeof elicitation?.url === 'string')) {
    const question = questionOf({ ...one, mode: 'url' }, server);
    if (question) return new NeedsPerson(question);
  }
  return undefined;
}

export function asks(question: PersonAsked, left: Left): NeedsPerson {
  return new NeedsPerson(question, { state: left as unknown as Json });
}

/** What the application answers at once; undefined if a person is to be asked, as also if it fails. */
export async function answeredAtOnce(
  answering: Answering | undefined,
  tool: string,
  params: JsonObject,
  signal: AbortSignal,
): Promise<Elicited | undefined> {
  const { message, requestedSchema: schema, url, mode } = params;
  const question = {
    tool,
    message: typeof message === 'string' ? message : '',
    ...(mode === 'url' ? { url: typeof url === 'string' ? url : '' } : { schema: (schema ?? {}) as JsonObject }),
    signal,
  };
  const answer = await (async () => answering?.(question))().catch(() => undefined);
  return answer === undefined ? undefined : accepted(params, mode === 'url' ? undefined : answer);
}
