/** What people decided in a recorded run, which answers the approvals of a new one. */
import { approve } from '../../hitl/answers.ts';
import type { Scenario } from '../declaration.ts';
import type { Recorded } from './recorded.ts';

/** Names what a person is asked: a call by its tool and arguments, a question by its text. The same in every run. */
export const askedOf = (o: { kind: string; tool?: string; digest?: string; question?: string; provider?: string }): string =>
  JSON.stringify(o.kind === 'tool' ? [o.kind, o.tool, o.digest] : [o.kind, o.question ?? o.provider]);

/**
 * Answers each approval as the same one was answered then: the first with the first decision, and the last decision for all that come after. A call
 * that no person was asked about is approved, because it is answered from the recording and does nothing.
 */
export function asDecided({ decisions }: Recorded, otherwise: Scenario['decide']): NonNullable<Scenario['decide']> {
  const times = new Map<string, number>();
  return (approval) => {
    const own = otherwise?.(approval);
    if (own) return own;
    const asked = askedOf(approval);
    const then = decisions.filter((one) => one.asked === asked);
    const nth = times.get(asked) ?? 0;
    times.set(asked, nth + 1);
    const decision = then[Math.min(nth, then.length - 1)]?.decision;
    if (decision) return { ...decision, approval: approval.id };
    return approval.kind === 'tool' ? approve(approval) : undefined;
  };
}
