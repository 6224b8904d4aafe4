import { invalid } from '../../errors.ts';
import { checkOptions } from '../../options.ts';
import { type Cedar, cedar, schemaText } from './cedar.ts';
import { decider } from './decide.ts';
import { type Enforced, type Enforcing, enforced } from './enforced.ts';
import { gatewayOf } from './mentions.ts';
import { type PolicyFault, type PolicyTexts, parsed, toldFault } from './parsed.ts';
import { oauthUser } from './principals.ts';
import { actionsOf } from './schema.ts';
import { describedTools, type PolicyTools } from './tools.ts';
import { faultsIn, NOWHERE } from './validate.ts';
import type { Decider } from './verdict.ts';

export interface CedarPolicyOptions extends Partial<Enforcing> {
  policies: PolicyTexts;
  /** All tools that calls are made of. A call of another one is denied. */
  tools: PolicyTools;
  /** The id of the resource, such as a gateway's ARN. Default `local`. */
  gateway?: string;
}

export interface CedarPolicy extends Enforced {
  /** The schema, in Cedar's own syntax: for an editor, or to validate policies elsewhere. */
  readonly schema: string;
  /** What a policy cannot ask for and why, and what is odd about the policies: such as one that never applies. */
  readonly notes: readonly string[];
  /** Lists the tools again, and validates the policies against them. If it fails, what was loaded stays. @throws RondoError `CONFIG_INVALID` */
  reload(): Promise<void>;
}

const WHERE = 'cedarPolicy()';
const OPTIONS = {
  policies: "policies: 'permit(principal, action, resource);'",
  tools: 'tools: [refund]',
  mode: "mode: 'ENFORCE'",
  gateway: "gateway: 'office'",
  principal: 'principal: iamEntity',
  onDecision: 'onDecision: (decision) => console.log(decision)',
  now: 'now: Date.now',
} satisfies Record<keyof CedarPolicyOptions, string>;

/**
 * Policies in Cedar, in the form of AgentCore: principal `AgentCore::OAuthUser`, an action for each tool, the gateway as resource. A call that
 * no policy permits is denied, and a `forbid` wins. The schema is made from the tools, and every policy is validated against it.
 * @throws RondoError `CONFIG_INVALID` for a policy that does not parse or does not fit the tools, with its id, line and column in the message
 * and in `details.faults`; for wrong options; without the package @cedar-policy/cedar-wasm.
 */
export async function cedarPolicy(options: CedarPolicyOptions): Promise<CedarPolicy> {
  const { policies, tools, mode = 'ENFORCE', gateway = 'local', principal = oauthUser, onDecision, now = Date.now } = checked(options);
  const module = await cedar();
  const load = async () => loaded(module, policies, await describedTools(tools, WHERE), gateway);
  let current = await load();

  return {
    ...enforced(() => current.decider, { mode, principal, onDecision, now }),
    get schema() {
      return current.schema;
    },
    get notes() {
      return current.notes;
    },
    async reload() {
      current = await load();
    },
  };
}

interface Loaded {
  readonly decider: Decider;
  readonly schema: string;
  readonly notes: readonly string[];
}

function loaded(module: Cedar, given: PolicyTexts, tools: Awaited<ReturnType<typeof describedTools>>, gateway: string): Loaded {
  const { policies, faults } = parsed(module, given);
  if (faults.length > 0) throw refused(faults);
  const actions = actionsOf(tools, policies, WHERE);
  const { errors, warnings } = faultsIn(module, policies, actions);
  const elsewhere = policies.flatMap((policy) => {
    const named = gatewayOf(policy.json);
    if (named === undefined || named === gateway) return [];
    const message = `it is for the gateway ${JSON.stringify(named)}, and these policies are for ${JSON.stringify(gateway)}`;
    return [policy.fault({ ...NOWHERE, message }, JSON.stringify(named))];
  });
  if (errors.length + elsewhere.length > 0) throw refused([...errors, ...elsewhere]);
  return {
    decider: decider({ module, policies, actions: actions.named, gateway }),
    schema: schemaText(module, actions.schema),
    notes: [...actions.notes, ...warnings.map(toldFault)],
  };
}

/** Most faults that a message tells. `details` has all of them. */
const MOST_TOLD = 5;

function refused(faults: readonly PolicyFault[]) {
  const told = faults.slice(0, MOST_TOLD).map(toldFault);
  const more = faults.length > MOST_TOLD ? [`and ${faults.length - MOST_TOLD} more`] : [];
  return invalid(`${WHERE}: ${[...told, ...more].join('; ')}`, { details: { faults: faults.map((fault) => ({ ...fault })) } });
}

function checked(o: CedarPolicyOptions): CedarPolicyOptions {
  checkOptions(o, OPTIONS, WHERE);
  const { policies, tools, mode, gateway } = o;
  const texts: unknown[] =
    typeof policies === 'string' ? [policies] : typeof policies === 'object' && policies !== null ? Object.values(policies) : [undefined];
  if (!texts.every((text) => typeof text === 'string' && text.isWellFormed()))
    throw invalid(`${WHERE}: policies is a text in Cedar, a list of them, or an object of them by name: { ${OPTIONS.policies} }.`);
  if (typeof tools !== 'object' || tools === null)
    throw invalid(`${WHERE} needs the tools that the policies are about: { ${OPTIONS.tools} }, or a source such as gateway().`);
  if (mode !== undefined && mode !== 'ENFORCE' && mode !== 'LOG_ONLY')
    throw invalid(`${WHERE}: mode is ${JSON.stringify(mode)}; it is "ENFORCE" or "LOG_ONLY".`);
  if (gateway !== undefined && !(typeof gateway === 'string' && gateway !== '' && gateway.isWellFormed()))
    throw invalid(`${WHERE}: gateway is the id of the resource, a text.`);
  for (const name of ['principal', 'onDecision', 'now'] as const)
    if (o[name] !== undefined && typeof o[name] !== 'function') throw invalid(`${WHERE}: ${name} is a function: { ${OPTIONS[name]} }.`);
  return o;
}
