/** Restrictions on calls of sub-agents: nesting depth, and one handoff per step. */

import { notRun, ToolError } from '../errors.ts';
import { depthOf } from '../journal/fold/frame.ts';
import type { Prepared } from './call/call.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import type { Scope } from './types.ts';

/** Refuses calls of sub-agents that would nest too deeply, and all handoffs of a step but one. */
export function delegations(scope: Scope, prepared: readonly Prepared[]): readonly Prepared[] {
  const { frame, tools } = scope;
  const max = depthLimit(scope);
  let handed = frame.calls.some((c) => (c.status === 'started' || c.finished?.ok) && tools.get(c.name)?.delegate?.handoff);
  return prepared.map((s): Prepared => {
    // one that goes on has its frame, and is itself the one that has the conversation
    const delegate = s.go === 'start' && !s.resumed ? s.tool.delegate : undefined;
    if (!delegate) return s;
    if (levelOf(scope) + 1 > max) return refused(TOO_DEEP, `${tooDeep(max)} Do it yourself, or say that it cannot be done.`);
    if (!delegate.handoff) return s;
    if (handed) return refused('HANDOFF_TAKEN', 'The conversation is handed over to one agent at a time, and another one has it.');
    handed = true;
    return s;
  });
}

const TOO_DEEP = 'DEPTH_LIMIT';
const tooDeep = (max: number) => `Agents may nest ${max} deep, and this would be one more.`;

/** @throws ToolError `DEPTH_LIMIT` if an agent below this frame would be too deep. */
export function assertDepth(scope: Scope): void {
  const max = depthLimit(scope);
  if (levelOf(scope) + 1 > max) throw new ToolError(TOO_DEEP, tooDeep(max), { outcome: 'not-run', retryable: false });
}

/** The depth of a frame, including agents above the run that another engine drives. */
export const levelOf = ({ frame, run }: Pick<Scope, 'frame' | 'run'>) => (run.started.level ?? 0) + depthOf(frame);

/** The smallest depth limit of this frame and those above. */
function depthLimit(scope: Scope): number {
  let max = Number.POSITIVE_INFINITY;
  for (let at: Scope | undefined = scope; at; at = at.parent)
    // a sub-agent's own limit counts from its frame
    if (at.limits.depth !== undefined) max = Math.min(max, at.parent ? levelOf(at) + at.limits.depth : at.limits.depth);
  return max === Number.POSITIVE_INFINITY ? (DEFAULT_LIMITS.depth as number) : max;
}

const refused = (code: string, message: string): Prepared => ({
  go: 'refuse',
  error: notRun(code, message),
});
