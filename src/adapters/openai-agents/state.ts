import { type Agent, RunContext, RunState, type RunToolApprovalItem } from '@openai/agents-core';
import { RondoError, ToolError } from '../../errors.ts';
import { type Json, type JsonObject, plainJson } from '../../json.ts';
import type { Ask } from '../../ports/foreign.ts';
import type { Decision } from '../../ports/tool.ts';

// biome-ignore lint/suspicious/noExplicitAny: agents of every type are taken
export type AnyAgent = Agent<any, any>;
export type AnyState = RunState<unknown, AnyAgent>;

/** A paused run of the SDK, in its own serialised form, without the application's context. */
export type OpenAiState = { readonly run: JsonObject };

/** Characters of JSON. A state is one journal entry, written at every pause. */
const MAX_STATE = 4_000_000;

export function save(state: AnyState): OpenAiState {
  // it is meant for JSON.stringify, which omits the functions of its tools
  const run = withoutContext(JSON.parse(JSON.stringify(state.toJSON())) as JsonObject);
  const { length } = JSON.stringify(run);
  if (length > MAX_STATE)
    throw new ToolError(
      'STATE_TOO_LARGE',
      `the paused run is ${length} characters of JSON, over ${MAX_STATE}: give it less, or fewer pictures.`,
    );
  return { run };
}

/**
 * Removes the application's context, which may hold a key or a connection and is created again for every turn. Agents that run as tools
 * have their own state inside, as text.
 */
function withoutContext(run: JsonObject): JsonObject {
  const { context, pendingAgentToolRuns } = run as { context: JsonObject; pendingAgentToolRuns?: { [key: string]: string } };
  const inner: { [key: string]: string } = {};
  for (const [key, text] of Object.entries(pendingAgentToolRuns ?? {}))
    inner[key] = JSON.stringify(withoutContext(JSON.parse(text) as JsonObject));
  return { ...run, context: { ...context, context: {} }, ...(pendingAgentToolRuns && { pendingAgentToolRuns: inner }) };
}

/** @throws ToolError `STATE_UNREADABLE`; nothing has run then. */
export async function load(agent: AnyAgent, { run }: OpenAiState, context: object | undefined): Promise<AnyState> {
  try {
    const text = JSON.stringify(run);
    if (!context) return await RunState.fromString<unknown, AnyAgent>(agent, text);
    return await RunState.fromStringWithContext<unknown, AnyAgent>(agent, text, new RunContext<unknown>(context));
  } catch (cause) {
    if (RondoError.is(cause)) throw cause;
    throw unreadable(`the SDK cannot go on from the state of the pause: ${(cause as Error)?.message}`, cause);
  }
}

const unreadable = (message: string, cause?: unknown) => new ToolError('STATE_UNREADABLE', message, { outcome: 'not-run', cause });

// agents that run as tools have their own call ids, which may be equal
const idOf = (item: RunToolApprovalItem, i: number) => `${i}.${'callId' in item.rawItem ? item.rawItem.callId : (item.rawItem.id ?? '')}`;

export const asksOf = (items: readonly RunToolApprovalItem[]): Ask[] =>
  items.map((item, i) => ({
    id: idOf(item, i),
    kind: 'tool',
    tool: item.name ?? item.rawItem.type,
    input: inputOf(item),
    allow: ['approve', 'reject'],
  }));

function inputOf({ arguments: text, rawItem }: RunToolApprovalItem): Json {
  if (text === undefined) {
    const { action, operation } = rawItem as { action?: unknown; operation?: unknown };
    return plainJson(action ?? operation) ?? null;
  }
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** Applies the decisions to a run that was read back. */
export function decide(state: AnyState, answers: readonly { id: string; decision: Decision }[]): void {
  const items = new Map(state.getInterruptions().map((item, i) => [idOf(item, i), item]));
  for (const { id, decision } of answers) {
    const item = items.get(id);
    if (!item) throw unreadable(`the paused run did not ask "${id}".`);
    if (decision.type === 'approve') state.approve(item);
    else
      state.reject(item, {
        message: `A person rejected this call: ${decision.type === 'reject' ? decision.reason : 'it was not approved.'}`,
      });
  }
}
