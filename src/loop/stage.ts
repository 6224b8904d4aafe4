import { request } from '../hitl/approvals.ts';
import { type Asked, type GateOptions, gate, type Verdict } from '../hitl/gate.ts';
import type { CallId, Draft } from '../journal/entries.ts';
import { argumentsOf } from '../journal/frame.ts';
import { isSameJson } from '../json.ts';
import type { Ready, Staged } from './call.ts';
import { credentials } from './credentials.ts';
import { delegations } from './delegation.ts';
import { callsLeft } from './limits.ts';
import type { Scope, ToolDefinition } from './types.ts';

/** Takes calls through the gate, and gets their credentials. Runs nothing and writes nothing. */
export function stage(scope: Scope, calls: readonly Asked[], now: number): readonly Staged[] | Promise<readonly Staged[]> {
  const { host, run } = scope;
  const o: GateOptions = {
    path: scope.frame.path,
    by: run.started.by,
    context: run.started.context,
    policy: host.policy,
    now,
    cancel: scope.cancel,
  };
  let later = false;
  const staged = calls.map((call): Staged | Promise<Staged> => {
    const verdict = gate(scope.tools, call, o);
    if (verdict instanceof Promise) {
      later = true;
      return verdict.then((v) => ready(scope, v));
    }
    if (verdict.go !== 'start' || !verdict.tool.options.credentials) return verdict;
    later = true;
    return ready(scope, verdict);
  });
  return later ? Promise.all(staged).then((s) => within(scope, s)) : within(scope, staged as Staged[]);
}

/** Holds back the calls that would cross the limit of tool calls. */
function within(scope: Scope, staged: readonly Staged[]): readonly Staged[] {
  const allowed = delegations(scope, staged);
  let { left, crossing } = callsLeft(scope);
  if (!crossing) return allowed;
  const hold: Staged = { go: 'hold', ...crossing };
  return allowed.map((s) => (s.go !== 'start' || left-- > 0 ? s : hold));
}

async function ready(scope: Scope, verdict: Verdict<ToolDefinition>): Promise<Staged> {
  if (verdict.go !== 'start' || !verdict.tool.options.credentials) return verdict;
  const got = await credentials(scope, verdict.tool);
  if (got.ok) return { ...verdict, credentials: got.values };
  return 'consent' in got ? { go: 'consent', ...got.consent } : { go: 'refuse', error: got.error };
}

/** The entry that a staged call begins with, or ends with where it does not run. */
export function stagedEntry(scope: Scope, id: CallId, call: Asked, staged: Staged, now: number): Draft | undefined {
  const asking = { id, name: call.name, input: call.input, asked: call.asked ?? 0 };
  switch (staged.go) {
    case 'start':
      return startEntry(id, call, staged);
    case 'ask':
      return request(scope.run.runId, asking, { ...staged, hash: staged.tool.hash }, now);
    case 'consent':
      return request(scope.run.runId, asking, { rule: {}, consent: { provider: staged.provider, url: staged.url } }, now);
    case 'refuse':
      return { type: 'call.finished', call: id, ok: false, error: staged.error, attempts: 0, ms: 0 };
    case 'answer':
      return { type: 'call.finished', call: id, ok: true, output: staged.output, attempts: 0, ms: 0 };
    default:
      return undefined;
  }
}

/** The intent of a call, with what its tool gets where nothing else says so. */
export function startEntry(id: CallId, call: Asked, { tool, shown }: Pick<Ready, 'tool' | 'shown'>): Draft {
  const entry: Draft = { type: 'call.started', call: id, effect: tool.effect };
  const known = argumentsOf(call);
  if (shown !== known && !isSameJson(shown, known)) entry.input = shown;
  return entry;
}

/** Whether an append that starts these calls must survive power loss: a lost `once` intent could be followed by a second effect. */
export const needsPower = (staged: readonly Staged[]) => staged.some((s) => s.go === 'start' && s.tool.effect === 'once');
