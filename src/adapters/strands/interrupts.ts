import { type Agent, BeforeToolCallEvent, HookOrder, type Interrupt, type JSONValue, MessageAddedEvent } from '@strands-agents/sdk';
import type { Approval } from '../../hitl/approvals.ts';
import type { Json } from '../../json.ts';
import type { Ask } from '../../ports/foreign.ts';
import type { Decision } from '../../ports/tool.ts';
import type { PendingCall, Ruling, Rulings } from './state.ts';

/** An interrupt as JSON. */
export type Asked = Pick<Interrupt, 'id' | 'name' | 'reason'>;

/** What `ask` and `answer` get: the interrupt, and the call that it holds back, if any. */
export interface Interrupted {
  readonly interrupt: Asked;
  readonly call: PendingCall | undefined;
  /** The interrupt precedes the call, which has not started. Otherwise the tool raised it, or it belongs to no call. */
  readonly before: boolean;
}

// the format of Strands' ids: the source of the interrupt, the call, and the name that its author gave it
const BEFORE = /^(?:hook:beforeToolCall|middleware:executeTool):/;
const INSIDE = /^tool:/;

export function interrupted(interrupt: Asked, calls: readonly PendingCall[]): Interrupted {
  const { id, name } = interrupt;
  const before = BEFORE.test(id);
  const head = id.match(before ? BEFORE : INSIDE)?.[0];
  const callId = head === undefined ? undefined : id.slice(head.length, -(name.length + 1));
  const call = calls.find((c) => c.id === callId);
  return { interrupt, call, before: before && call !== undefined };
}

const told = (reason: Json | undefined, name: string) =>
  typeof reason === 'string' && reason !== '' ? reason : reason === undefined || reason === null ? name : JSON.stringify(reason);

/** An approval of a `rondoTool` of the agent. It is passed up unchanged, and the decision is passed down unchanged. */
function relayed({ interrupt, before }: Interrupted): Approval | undefined {
  const reason = interrupt.reason as { readonly [k: string]: Json } | null | undefined;
  if (before || typeof reason !== 'object' || reason === null) return undefined;
  const whole = ['id', 'runId', 'kind'].every((key) => typeof reason[key] === 'string') && Array.isArray(reason.allow);
  return whole ? (reason as Approval) : undefined;
}

/** A call that is held back is decided as a call; any other interrupt is a question. */
export function askOf(interrupted: Interrupted): Ask {
  const { interrupt, call, before } = interrupted;
  const { id, name, reason } = interrupt;
  const inner = relayed(interrupted);
  if (inner) {
    const rule = { id, allow: inner.allow, ...(inner.reason !== undefined && { reason: inner.reason }) };
    if (inner.kind === 'tool') return { ...rule, kind: 'tool', tool: inner.tool, input: inner.input };
    if (inner.kind === 'consent') return { ...rule, kind: 'consent', provider: inner.provider, url: inner.url };
    return { ...rule, kind: 'question', question: inner.question, ...(inner.answer && { answer: inner.answer }) };
  }
  if (before && call)
    return { id, kind: 'tool', tool: call.name, input: call.input, allow: ['approve', 'edit', 'reject'], reason: told(reason, name) };
  return { id, kind: 'question', question: told(reason, name), allow: ['respond', 'reject'] };
}

/**
 * What `interrupt()` returns to the code that asked. Applications' hooks may compare it in any way; Strands' own handlers take `true`
 * for a yes.
 */
export function responseOf(decision: Decision, about: Interrupted): JSONValue {
  if (relayed(about)) return decision as JSONValue;
  if (decision.type === 'respond') return decision.answer as JSONValue;
  return decision.type !== 'reject';
}

/** What decisions mean for the calls, whatever the hooks make of the responses. */
export function rulingOf(decision: Decision, about: Interrupted): Ruling | undefined {
  // the inner agent is told, and answers its call
  if (relayed(about)) return undefined;
  if (decision.type === 'reject') return { reject: decision.reason };
  return decision.type === 'edit' ? { edit: decision.input } : undefined;
}

/**
 * Enforces the decisions: a rejected call never runs and the model is told why; an edited one runs with the edited input, and later
 * interrupts see that input.
 * @returns the decisions that still wait for their calls, and a function that removes the hooks.
 */
export function enforce(agent: Agent, given: Rulings): { left(): Rulings; stop(): void } {
  let rulings = given;
  const of = (toolUseId: string): Ruling | undefined => (Object.hasOwn(rulings, toolUseId) ? rulings[toolUseId] : undefined);
  const stops = [
    agent.addHook(
      BeforeToolCallEvent,
      (event) => {
        const ruling = of(event.toolUse.toolUseId);
        if (ruling && 'edit' in ruling) event.toolUse = { ...event.toolUse, input: structuredClone(ruling.edit) as JSONValue };
      },
      { order: HookOrder.SDK_FIRST - 1 },
    ),
    agent.addHook(
      BeforeToolCallEvent,
      (event) => {
        const ruling = of(event.toolUse.toolUseId);
        if (ruling && 'reject' in ruling) event.cancel = `A person rejected this call: ${ruling.reject}`;
      },
      { order: HookOrder.SDK_LAST + 1 },
    ),
    // the calls' results enter the conversation; models may use the same ids again after this
    agent.addHook(MessageAddedEvent, () => {
      rulings = {};
    }),
  ];
  return {
    left: () => rulings,
    stop() {
      for (const stop of stops) stop();
    },
  };
}
