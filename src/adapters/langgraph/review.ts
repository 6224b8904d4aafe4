/**
 * The two forms in which LangChain's libraries ask about several tool calls in one interrupt: `{ actionRequests, reviewConfigs }` of the
 * human-in-the-loop middleware, and the `HumanInterrupt` of LangGraph's prebuilt agents and Agent Inbox.
 */
import type { Json } from '../../json.ts';
import type { Decision, DecisionType } from '../../ports/tool.ts';

export type Fields = { readonly [k: string]: unknown };
export const isRecord = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

/** One call that a person is asked about. */
export interface Action {
  tool: string;
  input: unknown;
  description: unknown;
  allow: readonly DecisionType[];
}

/** The data that is needed to answer in the form of the request; plain JSON. */
export type Form = {
  kind: 'middleware' | 'inbox';
  actions: readonly string[];
  /** For the inbox: whether each action allows a text as refusal. */
  told?: readonly boolean[];
};

const REVIEWED: readonly DecisionType[] = ['approve', 'edit', 'reject'];

/** Undefined for an interrupt in any other form. */
export function actionsOf(value: unknown): { actions: readonly Action[]; form: Form } | undefined {
  if (isRecord(value) && Array.isArray(value.actionRequests)) {
    const requests = value.actionRequests.filter(isRecord);
    const configs = Array.isArray(value.reviewConfigs) ? value.reviewConfigs.filter(isRecord) : [];
    if (requests.length === 0 || requests.length !== value.actionRequests.length) return undefined;
    const actions = requests.map(({ name, args, description }): Action => {
      const allowed = configs.find(({ actionName }) => actionName === name)?.allowedDecisions;
      return {
        tool: String(name),
        input: args,
        description,
        allow: REVIEWED.filter((type) => !Array.isArray(allowed) || allowed.includes(type)),
      };
    });
    return { actions, form: { kind: 'middleware', actions: actions.map(({ tool }) => tool) } };
  }
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const asked = list.map(inboxed);
  if (list.length === 0 || asked.includes(undefined)) return undefined;
  const actions = asked as (Action & { told: boolean })[];
  return { actions, form: { kind: 'inbox', actions: actions.map(({ tool }) => tool), told: actions.map(({ told }) => told) } };
}

function inboxed(value: unknown): (Action & { told: boolean }) | undefined {
  if (!isRecord(value) || !isRecord(value.action_request) || typeof value.action_request.action !== 'string') return undefined;
  const { action, args } = value.action_request;
  const config = isRecord(value.config) ? value.config : {};
  const allows: Readonly<Record<string, boolean>> = {
    approve: config.allow_accept === true,
    edit: config.allow_edit === true,
    reject: config.allow_ignore === true || config.allow_respond === true,
  };
  return {
    tool: action,
    input: args,
    description: value.description,
    allow: REVIEWED.filter((type) => allows[type]),
    told: config.allow_respond === true,
  };
}

/** The return value of `interrupt()` for decisions on all its actions, in their order. An action without a decision is refused. */
export function reviewOf({ kind, actions, told }: Form, decisions: readonly (Decision | undefined)[]): Json {
  if (kind === 'inbox') return actions.map((action, i) => responseOf(action, decisions[i], told?.[i] ?? false));
  return {
    decisions: actions.map((name, i): Json => {
      const decision = decisions[i];
      if (decision?.type === 'approve') return { type: 'approve' };
      if (decision?.type === 'edit') return { type: 'edit', editedAction: { name, args: decision.input } };
      return { type: 'reject', message: decision?.type === 'reject' ? decision.reason : 'It was not approved.' };
    }),
  };
}

function responseOf(action: string, decision: Decision | undefined, told: boolean): Json {
  if (decision?.type === 'approve') return { type: 'accept', args: null };
  if (decision?.type === 'edit') return { type: 'edit', args: { action, args: decision.input } };
  return decision?.type === 'reject' && told ? { type: 'response', args: decision.reason } : { type: 'ignore', args: null };
}
