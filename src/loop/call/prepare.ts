/**
 * Prepare: decides what happens with each call (schema, policy, approval, credentials, limits). It runs no tool and appends nothing. It
 * handles new calls, calls that waited for a person or a limit, and calls that a crash interrupted.
 */
import { type Asked, type GateOptions, gate, type Missing, type Verdict } from '../../hitl/gate.ts';
import { callPolicy } from '../../hitl/policy.ts';
import type { Call } from '../../journal/fold/fold.ts';
import { hasAsked } from '../../journal/fold/frame.ts';
import { callsLeft } from '../budget.ts';
import { delegations } from '../delegation.ts';
import { finds } from '../tools/finding.ts';
import { foundTool, lookUp } from '../tools/found.ts';
import type { Scope, ToolDefinition } from '../types.ts';
import type { Prepared } from './call.ts';
import { resultAllowed } from './content.ts';
import { credentials } from './credentials.ts';
import { lookUpIntent, unlessBusy } from './intent.ts';
import { recall } from './recall.ts';
import { asleep, ended } from './waiting.ts';

/** @param now the store's clock, epoch milliseconds, by which approvals expire. */
export function prepare(scope: Scope, calls: readonly (Asked | Call)[], now: number): readonly Prepared[] | Promise<readonly Prepared[]> {
  const { host, run } = scope;
  const o: GateOptions<ToolDefinition> = {
    path: scope.frame.path,
    by: run.started.by,
    runId: run.runId,
    session: run.started.session,
    context: run.started.context,
    policy: callPolicy(host.policy),
    lookUp: (tool, call, intent, shown, asks) => {
      if ('status' in call) return lookUpIntent(scope, tool, call as Call, intent, shown);
      // most intents are new: the claim finds that out by itself. No person is asked in vain, though
      if (host.intents.kept && !asks && startsAtOnce(tool)) return { go: 'claim', intent, unseen: true };
      // the id of a call that was just asked for is the provider's
      return lookUpIntent(scope, tool, {}, intent, shown);
    },
    now,
    cancel: scope.cancel,
  };
  let later = false;
  const prepared: (Prepared | Promise<Prepared>)[] = [];
  for (const call of calls) {
    const tool = scope.tools.get(call.name);
    // a call that was just asked for, of a tool that the model was offered
    const one = tool && !tool.hidden && !('status' in call) ? gated(scope, call, tool, o) : looked(scope, call, tool, o);
    later ||= one instanceof Promise;
    prepared.push(one);
  }
  return later ? Promise.all(prepared).then((all) => within(scope, all)) : within(scope, prepared as Prepared[]);
}

/** Whether nothing is asked for or opened between the gate and the start of a call. */
const startsAtOnce = ({ options, waits, delegate }: ToolDefinition) => !options.credentials && !waits && !delegate;

/** A call that the journal has, or of a tool that is not listed. */
function looked(
  scope: Scope,
  call: Asked | Call,
  listed: ToolDefinition | undefined,
  o: GateOptions<ToolDefinition>,
): Prepared | Promise<Prepared> {
  const tool = listed ?? foundTool(scope, call.name);
  if (tool || !mayBeFound(scope, call)) return known(scope, call, tool, o);
  return lookUp(scope, call).then((found) => known(scope, call, found, o));
}

/** One that waits for a person, or whose result a person gave, needs no tool. One that asked while it ran goes on with the answer. */
function mayBeFound(scope: Scope, { approval }: Asked): boolean {
  const type = approval?.decided?.decision.type;
  return (
    finds(scope) && (!approval || type === 'approve' || type === 'edit' || (type === 'respond' && approval.asked.midway !== undefined))
  );
}

function known(
  scope: Scope,
  call: Asked | Call,
  tool: ToolDefinition | Missing | undefined,
  o: GateOptions<ToolDefinition>,
): Prepared | Promise<Prepared> {
  if ('status' in call && (call.wait || call.status === 'started')) {
    const there = tool && 'missing' in tool ? undefined : tool;
    return call.wait ? ended(scope, call, call.wait, there, o.now) : recalled(scope, call, there);
  }
  return gated(scope, call, tool && isThere(scope, call, tool) ? tool : notThere(scope, call.name), o);
}

/** A tool that is not offered cannot be called by a model. A person has seen the call, or a program names the tool: then the gate decides. */
const isThere = (scope: Scope, call: Asked, tool: ToolDefinition | Missing): boolean =>
  'missing' in tool || !tool.hidden || tool.held !== undefined || call.approval !== undefined || scope.agent.direct === true;

function notThere({ tools }: Scope, name: string): Missing {
  const names = [...tools.values()].flatMap((t) => (t.held === undefined && !t.hidden ? [t.name] : []));
  return { missing: { code: 'TOOL_NOT_FOUND', message: `There is no tool "${name}". There are: ${names.join(', ') || 'none'}.` } };
}

function gated(scope: Scope, call: Asked, tool: ToolDefinition | Missing, o: GateOptions<ToolDefinition>): Prepared | Promise<Prepared> {
  const verdict = gate(tool, call, o);
  if (verdict instanceof Promise) return settledVerdict(scope, call, tool as ToolDefinition, verdict, o);
  if (verdict.go === 'start' && hasAsked(call)) verdict.resumed = true;
  if (verdict.go === 'start' && verdict.tool.waits) return asleep(scope, verdict, verdict.tool.waits);
  return verdict.go === 'start' && verdict.tool.options.credentials ? withCredentials(scope, call, verdict) : verdict;
}

async function settledVerdict(
  scope: Scope,
  call: Asked,
  tool: ToolDefinition,
  asked: Promise<Verdict<ToolDefinition>>,
  o: GateOptions<ToolDefinition>,
): Promise<Prepared> {
  const first = await asked;
  if (first.go === 'start' && hasAsked(call)) first.resumed = true;
  // a call that was just asked for waits once its siblings have run: neither they nor the model's answer wait with it
  const verdict = first.go === 'busy' && 'status' in call ? await unlessBusy(scope, tool, async () => gate(tool, call, o)) : first;
  const allowed = verdict.go === 'answer' && verdict.repeated ? await resultAllowed(scope, call.name, verdict) : verdict;
  return allowed.go === 'start' && allowed.tool.waits ? asleep(scope, allowed, allowed.tool.waits) : withCredentials(scope, call, allowed);
}

/** A result that `check` found goes through the policy like one of the tool itself. */
async function recalled(scope: Scope, call: Call, tool: ToolDefinition | undefined): Promise<Prepared> {
  const found = tool ? await unlessBusy(scope, tool, async () => recall(scope, call, tool)) : await recall(scope, call, tool);
  return found.go === 'answer' ? resultAllowed(scope, call.name, found) : found;
}

async function withCredentials(scope: Scope, { approval }: Asked, verdict: Verdict<ToolDefinition>): Promise<Prepared> {
  if (verdict.go !== 'start' || !verdict.tool.options.credentials) return verdict;
  const consent = approval?.decided?.decision.type === 'approve' && approval.asked.kind === 'consent' ? approval.asked : undefined;
  const got = await credentials(scope, verdict.tool, consent);
  if (got.ok) return { ...verdict, credentials: got.values, expiresAt: got.expiresAt, handedOut: got.handedOut };
  return 'consent' in got ? { go: 'consent', ...got.consent } : { go: 'refuse', error: got.error };
}

/** Holds calls above the limit of tool calls, and refuses calls of sub-agents that are not allowed. */
function within(scope: Scope, prepared: readonly Prepared[]): readonly Prepared[] {
  const allowed = scope.agent.agents.length > 0 ? delegations(scope, prepared) : prepared;
  if (!scope.limitedBy.toolCalls) return allowed;
  let { left, crossing } = callsLeft(scope);
  if (!crossing) return allowed;
  const hold: Prepared = { go: 'hold', ...crossing };
  return allowed.map((p) => (p.go !== 'start' || p.resumed || left-- > 0 ? p : hold));
}
