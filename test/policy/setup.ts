import {
  type CedarPolicy,
  type CedarPolicyOptions,
  cedarPolicy,
  type DescribedTool,
  type PolicyDecision,
} from '../../src/adapters/policy/index.ts';
import type { CallRequest } from '../../src/index.ts';
import { RondoError } from '../../src/index.ts';

export const REFUND: DescribedTool = {
  name: 'shop___refund',
  input: {
    type: 'object',
    properties: { orderId: { type: 'string' }, amount: { type: 'integer' }, note: { type: 'string' } },
    required: ['orderId', 'amount'],
  },
};
export const ana = { id: 'ana', roles: ['lead'] };
export const PERMIT_ALL = '@id("all") permit(principal, action, resource);';

export const policyOf = (o: Partial<CedarPolicyOptions> = {}): Promise<CedarPolicy> =>
  cedarPolicy({ policies: PERMIT_ALL, tools: [REFUND], ...o });

/** A policy, and what it decided. */
export async function watched(o: Partial<CedarPolicyOptions> = {}): Promise<{ policy: CedarPolicy; decisions: PolicyDecision[] }> {
  const decisions: PolicyDecision[] = [];
  return { policy: await policyOf({ onDecision: (decision) => void decisions.push(decision), ...o }), decisions };
}

export const call = (o: Partial<CallRequest> = {}): CallRequest => ({
  by: ana,
  agent: 'support',
  tool: 'shop___refund',
  input: { orderId: '7', amount: 5 },
  effect: 'once',
  context: undefined,
  runId: 'r',
  session: undefined,
  ...o,
});

export const allows = (policy: CedarPolicy, o: Partial<CallRequest> = {}): boolean => {
  const ruling = policy.decide(call(o));
  return 'allow' in ruling && ruling.allow;
};

/** Why options are refused. */
export async function refusal(o: Partial<CedarPolicyOptions>): Promise<RondoError> {
  try {
    await policyOf(o);
  } catch (error) {
    if (RondoError.is(error, 'CONFIG_INVALID')) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
