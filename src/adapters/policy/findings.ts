/** What there is to say about one policy for the gateways that it is for, in the terms of AgentCore. */
import { RondoError } from '../../errors.ts';
import { type Cedar, cedar, schemaText } from './cedar.ts';
import { decider } from './decide.ts';
import { gatewayOf } from './mentions.ts';
import { type Parsed, parsed } from './parsed.ts';
import { actionsOf } from './schema.ts';
import { type DescribedTool, describedTools } from './tools.ts';
import { faultsIn } from './validate.ts';
import type { Decider } from './verdict.ts';

/** A gateway that a policy may be for. */
export interface GatewayTools {
  readonly arn: string;
  readonly tools: readonly DescribedTool[];
}

export interface Finding {
  readonly type: 'INVALID' | 'ALLOW_ALL' | 'ALLOW_NONE' | 'DENY_ALL' | 'DENY_NONE';
  readonly description: string;
}

export interface Findings {
  /** The statement is not one policy, so it cannot be kept, whatever may be ignored. */
  readonly broken: readonly string[];
  readonly findings: readonly Finding[];
  /** The gateway that the policy names; undefined: it is for all of them. */
  readonly gateway: string | undefined;
}

const WHERE = 'the gateway';

/** @param gatewaysFor those that a policy is for: the one it names, or all. Empty: the gateway that it names is not there. */
export async function findingsOf(
  statement: string,
  gatewaysFor: (named: string | undefined) => Promise<readonly GatewayTools[]>,
): Promise<Findings> {
  const module = await cedar();
  const { policies, faults } = parsed(module, statement);
  const [policy, ...more] = policies;
  const broken = faults.map(({ line, column, message }) => `line ${line}, column ${column}: ${message}`);
  if (broken.length === 0 && (!policy || more.length > 0)) broken.push(`a statement is one policy, and this is ${policies.length}`);
  if (!policy || broken.length > 0) return { broken, findings: [], gateway: undefined };
  const gateway = gatewayOf(policy.json);
  const gateways = await gatewaysFor(gateway);
  const findings = [...headOf(policy, gateway), ...wide(policy)];
  if (gateway !== undefined && gateways.length === 0)
    findings.push({ type: 'INVALID', description: `the gateway ${gateway} was not found` });
  for (const one of gateways) findings.push(...(await within(module, policy, one)));
  return { broken, findings, gateway };
}

/** A policy about a tool names the gateway of the tool. */
function headOf({ json: { action } }: Parsed, gateway: string | undefined): Finding[] {
  return action.op !== 'All' && gateway === undefined
    ? [{ type: 'INVALID', description: 'a policy that names an action names a gateway: resource == AgentCore::Gateway::"<arn>"' }]
    : [];
}

/** A policy without any condition, and about no principal by name: users of AWS have measured that the action and the gateway do not count. */
function wide({ json: { effect, principal, conditions } }: Parsed): Finding[] {
  const isNamed = principal.op !== 'All' && !(principal.op === 'is' && principal.in === undefined);
  if (conditions.length > 0 || isNamed) return [];
  return [
    effect === 'permit'
      ? { type: 'ALLOW_ALL', description: 'it permits every call that it is about, under no condition' }
      : { type: 'DENY_ALL', description: 'it forbids every call that it is about, under no condition' },
  ];
}

async function within(module: Cedar, policy: Parsed, { arn, tools }: GatewayTools): Promise<Finding[]> {
  const told = (message: string, line: number, column: number) => `line ${line}, column ${column}, for ${arn}: ${message}`;
  try {
    const actions = actionsOf(await describedTools(tools, WHERE), [policy], WHERE);
    const { errors, warnings } = faultsIn(module, [policy], actions);
    const never = policy.json.effect === 'permit' ? 'ALLOW_NONE' : 'DENY_NONE';
    return [
      ...errors.map(({ line, column, message }) => ({ type: 'INVALID' as const, description: told(message, line, column) })),
      ...(errors.length > 0 ? [] : warnings).map(({ line, column, message }) => ({
        type: never as Finding['type'],
        description: told(message, line, column),
      })),
    ];
  } catch (error) {
    if (!RondoError.is(error, 'CONFIG_INVALID')) throw error;
    return [{ type: 'INVALID', description: error.message }];
  }
}

/** What policies about the tools of a gateway can say, in Cedar's own syntax. */
export async function schemaFor({ tools }: GatewayTools): Promise<string> {
  const { schema } = actionsOf(await describedTools(tools, WHERE), [], WHERE);
  return schemaText(await cedar(), schema);
}

/** What decides by policies that are kept: they parse, and are not validated again. @param statements by the id of each policy. */
export async function deciderOf(statements: ReadonlyMap<string, string>, { arn, tools }: GatewayTools): Promise<Decider> {
  const module = await cedar();
  const policies = [...statements].flatMap(([id, statement]) => parsed(module, statement).policies.map((policy) => ({ ...policy, id })));
  const { named } = actionsOf(await describedTools(tools, WHERE), policies, WHERE);
  return decider({ module, policies, actions: named, gateway: arn });
}
