import type { Agent, JSONValue, Snapshot } from '@strands-agents/sdk';
import { ToolError } from '../../errors.ts';
import type { Json, JsonObject } from '../../json.ts';

/** A decision about a call that has not ended: kept until it has, because the call may pause again. */
export type Ruling = { reject: string } | { edit: Json };
export type Rulings = { readonly [toolUseId: string]: Ruling };

/** A paused Strands agent: its own snapshot without what its declaration holds, and the decisions still to apply. */
export type StrandsState = { readonly schema: string; readonly data: JsonObject; readonly rulings?: Rulings };

/** Characters of JSON. A state is one journal entry, written at every pause. */
const MAX_STATE = 4_000_000;

export function save(agent: Agent, rulings: Rulings): StrandsState {
  // the system prompt belongs to the declaration: a resumed agent has the current one
  const { schemaVersion, data } = agent.takeSnapshot({ preset: 'session', exclude: ['systemPrompt'] });
  const text = JSON.stringify(data);
  if (text.length > MAX_STATE)
    throw new ToolError(
      'STATE_TOO_LARGE',
      `the paused Strands agent is ${text.length} characters of JSON, over ${MAX_STATE}: let its conversation manager cut earlier.`,
    );
  const state: StrandsState = { schema: schemaVersion, data: JSON.parse(text) as JsonObject };
  return Object.keys(rulings).length > 0 ? { ...state, rulings } : state;
}

export function load(agent: Agent, { schema, data }: StrandsState): void {
  try {
    // a copy: the agent changes its own, and the state belongs to the journal
    agent.loadSnapshot({
      scope: 'agent',
      schemaVersion: schema,
      createdAt: '',
      data: structuredClone(data) as Snapshot['data'],
      appData: {},
    });
  } catch (cause) {
    throw new ToolError(
      'STATE_UNREADABLE',
      `this version of @strands-agents/sdk cannot go on from the state of the pause: ${(cause as Error)?.message}`,
      { outcome: 'not-run', cause },
    );
  }
}

/** A tool call as the paused agent holds it, to be shown to the person who decides. */
export interface PendingCall {
  readonly id: string;
  readonly name: string;
  readonly input: Json;
}

/** The unanswered interrupts, in the order in which they were raised. */
export function openInterrupts({ data }: StrandsState): { id: string; name: string; reason?: JSONValue }[] {
  const { interrupts } = data.interrupts as {
    interrupts: { [id: string]: { id: string; name: string; reason?: JSONValue; response?: Json } };
  };
  return Object.values(interrupts).filter((interrupt) => interrupt.response === undefined);
}

/** The calls of the model's answer that has not been completed. */
export function pendingCalls({ data, rulings }: StrandsState): PendingCall[] {
  const interrupts = data.interrupts as { pendingToolExecution?: { assistantMessageData?: { content?: readonly JsonObject[] } } } | null;
  const content = interrupts?.pendingToolExecution?.assistantMessageData?.content ?? [];
  return content.flatMap((block) => {
    const use = block.toolUse as { toolUseId: string; name: string; input: Json } | undefined;
    if (!use) return [];
    const ruling = rulings?.[use.toolUseId];
    return [{ id: use.toolUseId, name: use.name, input: ruling && 'edit' in ruling ? ruling.edit : use.input }];
  });
}
