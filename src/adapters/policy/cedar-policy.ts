import { invalid } from '../../errors.ts';
import { checkOptions } from '../../options.ts';
import type { CallRequest, OffersRequest, Policy, Ruling } from '../../ports/policy.ts';
import type { Principal } from '../../ports/principal.ts';
import { messageOf } from '../../reliability/classify.ts';
import { type Cedar, cedar } from './cedar.ts';
import { type Decider, decider, type Verdict } from './decide.ts';
import { gatewayOf } from './mentions.ts';
import { type PolicyFault, type PolicyTexts, parsed, toldFault } from './parsed.ts';
import { type CedarPrincipal, entityOf, oauthUser } from './principals.ts';
import { actionsOf } from './schema.ts';
import { describedTools, type PolicyTools } from './tools.ts';
import { faultsIn, NOWHERE } from './validate.ts';

/** What the policies said of a call. */
export interface PolicyDecision {
  decision: 'allow' | 'deny';
  /** Whether the decision held: not with `LOG_ONLY`. */
  enforced: boolean;
  /** The ids of the policies that decided: those that permit it, or those that forbid it. Empty: none permits it, or see `errors`. */
  policies: readonly string[];
  /** Why nothing could be decided, or which policies failed. A call that cannot be decided is denied, and so is one whose `forbid` fails. */
  errors: readonly string[];
  /** The call: its tool, principal, agent, run and session. */
  call: Pick<CallRequest, 'tool' | 'by' | 'agent' | 'runId' | 'session'>;
}

export interface CedarPolicyOptions {
  policies: PolicyTexts;
  /** All tools that calls are made of. A call of another one is denied. */
  tools: PolicyTools;
  /** Default `ENFORCE`. `LOG_ONLY` allows every call and tells `onDecision` what it would have done. */
  mode?: 'ENFORCE' | 'LOG_ONLY';
  /** The id of the resource, such as a gateway's ARN. Default `local`. */
  gateway?: string;
  /** Default: an `OAuthUser` with tags. See `oauthUser` and `iamEntity`. Undefined: the call is denied. */
  principal?: (by: Principal | undefined) => CedarPrincipal | undefined;
  /** Called after each decision. What it throws is a warning, and changes nothing. */
  onDecision?: (decision: PolicyDecision) => void;
  /** The time of `context.system.now`, epoch milliseconds. Default: this machine's. */
  now?: () => number;
}

export interface CedarPolicy extends Policy {
  decide(r: CallRequest): Ruling;
  offers(r: OffersRequest): readonly string[];
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

  function told(r: CallRequest, { decision, policies, errors }: Verdict): void {
    if (!onDecision) return;
    const { tool, by, agent, runId, session } = r;
    try {
      onDecision({ decision, enforced: mode === 'ENFORCE', policies, errors, call: { tool, by, agent, runId, session } });
    } catch (error) {
      process.emitWarning(`onDecision of ${WHERE} failed: ${messageOf(error)}`, 'RondoWarning');
    }
  }

  return {
    get schema() {
      return current.schema;
    },
    get notes() {
      return current.notes;
    },
    decide(r) {
      let verdict: Verdict;
      try {
        verdict = current.decider.call(entityOf(r.by, principal), r, now());
      } catch (error) {
        verdict = { decision: 'deny', policies: [], errors: [messageOf(error)] };
      }
      told(r, verdict);
      return mode === 'LOG_ONLY' || verdict.decision === 'allow' ? { allow: true } : { allow: false, reason: reasonOf(verdict) };
    },
    offers({ by, agent, tools: asked }) {
      if (mode === 'LOG_ONLY') return asked;
      const caller = entityOf(by, principal);
      return caller ? current.decider.offers(caller, agent, asked) : [];
    },
    async reload() {
      current = await load();
    },
  };
}

/** Why a call is denied, in the words of AgentCore. */
function reasonOf({ policies, errors }: Verdict): string {
  const why =
    policies.length > 0
      ? `Policy evaluation denied due to ${policies.join(', ')}`
      : errors.length > 0
        ? `It could not be decided: ${errors.join('; ')}`
        : 'No policy applies to the request (denied by default).';
  return `Tool call not allowed due to policy enforcement [${why}]`;
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
  const schema = module.schemaToText(actions.schema);
  return {
    decider: decider({ module, policies, actions: actions.named, gateway }),
    schema: schema.type === 'success' ? schema.text : '',
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
