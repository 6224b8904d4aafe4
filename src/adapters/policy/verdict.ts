/** What prepared policies are asked, and answer. In types of its own, so that who only asks needs no package of Cedar. */
import type { CallRequest } from '../../ports/policy.ts';

/** A principal as an entity of Cedar. */
export type Caller = {
  uid: { type: string; id: string };
  attrs: { id: string };
  parents: [];
  tags?: Record<string, string>;
};

/** What the policies say of a call. */
export interface Verdict {
  decision: 'allow' | 'deny';
  /** The ids of the policies that decided. */
  policies: readonly string[];
  /** Why it could not be decided, or what failed in a policy. */
  errors: readonly string[];
}

export interface Decider {
  /** Whether it was loaded with this tool. */
  knows(tool: string): boolean;
  /** A call of a tool. @param caller undefined: there is none, so it is denied. @throws what cannot be decided. */
  call(caller: Caller | undefined, request: CallRequest, now: number): Verdict;
  /** Those of these tools that some call is allowed for. */
  offers(caller: Caller, agent: string | undefined, tools: readonly string[]): readonly string[];
}
