/** The control plane of Policy: the policies of an engine. They are validated by Cedar, against the tools of the gateways that they are for. */
import { RondoError } from '../../../../errors.ts';
import { type Findings, findingsOf, type GatewayTools } from '../../../policy/findings.ts';
import type { Operations, World } from '../call.ts';
import { AwsError, because, refused } from '../codec/error.ts';
import { GATEWAY, type Gateway, gatewayArn } from '../gateway/resources.ts';
import type { ToolsOf } from '../policy/enforcing.ts';
import {
  assetOf,
  checkSettled,
  conflict,
  engineArn,
  engineOf,
  POLICY,
  type PolicyDefinition,
  policiesOf,
  policyArn,
  policyOfEngine,
  putPolicy,
  type StoredPolicy,
  statusOf,
} from '../policy/resources.ts';
import type { PageRequest } from '../state.ts';
import type { Changed } from './policy-engines.ts';
import { checkStays, suffix, TAKES } from './resource.ts';

interface InEngine {
  policyEngineId: string;
}
interface Named extends InEngine {
  policyId: string;
}
interface Settings {
  definition: PolicyDefinition;
  validationMode?: 'FAIL_ON_ANY_FINDINGS' | 'IGNORE_ALL_FINDINGS';
  enforcementMode?: 'ACTIVE' | 'LOG_ONLY';
}
type CreateInput = InEngine & Settings & { name: string; description?: string; clientToken?: string };
type UpdateInput = Named & Partial<Settings> & { description?: Changed };

/** A quota of AWS. */
const MOST = 1_000;

export function policyOperations(world: World, toolsOf: ToolsOf): Operations {
  const { state, clock } = world;
  const soon = () => clock.now() + TAKES;
  const date = () => new Date(clock.now());

  function summary(policy: StoredPolicy) {
    const { id, engine, name, createdAt, updatedAt, enforcementMode, reasons } = policy;
    const status = statusOf(world, policy, reasons.length > 0);
    return {
      policyId: id,
      name,
      policyEngineId: engine,
      createdAt,
      updatedAt,
      policyArn: policyArn(world, policy),
      status,
      enforcementMode,
    };
  }
  function told(policy: StoredPolicy) {
    const { definition, description, reasons } = policy;
    const { status, ...rest } = summary(policy);
    const statusReasons = status.endsWith('_FAILED') ? reasons : [];
    return { ...rest, status, definition, statusReasons, ...(description !== undefined && { description }) };
  }

  /** The gateway that a policy names, or those that have the engine. */
  const gatewaysFor =
    (engine: string) =>
    (named: string | undefined): Promise<readonly GatewayTools[]> => {
      const arn = engineArn(world, engine);
      const meant = state
        .list<Gateway>(GATEWAY)
        .filter(({ id, settings }) =>
          named === undefined ? settings.policyEngineConfiguration?.arn === arn : gatewayArn(world, id) === named,
        );
      return Promise.all(meant.map(async (gateway) => ({ arn: gatewayArn(world, gateway.id), tools: await toolsOf(gateway) })));
    };

  /** Why a policy fails. @throws AwsError for what this server does not execute. */
  async function reasonsFor(engine: string, statement: string, { validationMode }: Partial<Settings>): Promise<string[]> {
    let found: Findings;
    try {
      found = await findingsOf(statement, gatewaysFor(engine));
    } catch (error) {
      // without Cedar's package
      if (RondoError.is(error, 'CONFIG_INVALID')) throw new AwsError('NotImplementedException', error.message);
      const failed = new AwsError('InternalServerException', 'The tools of a gateway could not be listed.');
      throw because(failed, (error as Error).message);
    }
    const { broken, findings } = found;
    if (broken.some((reason) => reason.includes('temporal policies are not supported')))
      throw new AwsError('NotImplementedException', `This server does not execute temporal policies: ${broken.join('; ')}`);
    if (broken.length > 0 || validationMode === 'IGNORE_ALL_FINDINGS') return [...broken];
    return findings.map(({ type, description }) => `${type}: ${description}`);
  }

  /**
   * What is kept of a definition, and its statement. It has what was generated in place of the ids: assets expire, and policies do not.
   * @throws AwsError `ValidationException` if not one member is set, and for an asset without a policy that fits its gateway.
   */
  function definitionOf(engine: string, definition: PolicyDefinition): { definition: PolicyDefinition; statement: string } {
    const [given, ...more] = Object.entries(definition).filter(([, value]) => value !== undefined);
    if (!given || more.length > 0) throw refused('definition has one of cedar, policy and policyGeneration.');
    const { cedar, policy, policyGeneration } = definition;
    if (!policyGeneration) return { definition, statement: (cedar ?? policy)?.statement ?? '' };
    const { policyGenerationId, policyGenerationAssetId: id } = policyGeneration;
    const { definition: generated, findings } = assetOf(world, engine, policyGenerationId, id);
    const wrong = findings.filter(({ type }) => type === 'INVALID' || type === 'NOT_TRANSLATABLE');
    if (!generated || wrong.length > 0)
      throw refused(`Policy generation asset ${id} is not a policy: ${wrong.map(({ description }) => description).join('; ')}`);
    return { definition: generated, statement: generated.cedar.statement };
  }

  function page<T>(input: PageRequest & InEngine & { targetResourceScope?: string }, each: (policy: StoredPolicy) => T) {
    engineOf(world, input.policyEngineId);
    const scope = input.targetResourceScope;
    const passes = (policy: StoredPolicy) => scope === undefined || isAbout(policy, scope);
    const { items, nextToken } = state.page<StoredPolicy>(POLICY, input.policyEngineId, input, passes);
    return { policies: items.map(each), nextToken };
  }

  return {
    async CreatePolicy(input: CreateInput) {
      const { policyEngineId: engine, name, description, enforcementMode = 'ACTIVE', clientToken } = input;
      engineOf(world, engine);
      const { definition, statement } = definitionOf(engine, input.definition);
      const reasons = await reasonsFor(engine, statement, input);
      return state.once(`CreatePolicy ${engine}`, clientToken, input, () => {
        const owner = engineOf(world, engine);
        checkStays(`Policy engine ${engine}`, owner);
        const here = policiesOf(world, engine);
        if (here.some((policy) => policy.name === name)) throw conflict(`A policy with the name ${name} exists already.`);
        if (here.length >= MOST) throw new AwsError('ServiceQuotaExceededException', `A policy engine has at most ${MOST} policies.`);
        const at = date();
        const policy: StoredPolicy = {
          id: `${name}-${suffix().toLowerCase()}`,
          engine,
          name,
          definition,
          enforcementMode,
          reasons,
          createdAt: at,
          updatedAt: at,
          until: 'CREATING',
          readyAt: soon(),
          ...(description !== undefined && { description }),
          ...(reasons.length === 0 && { valid: { statement, mode: enforcementMode, from: soon() } }),
        };
        putPolicy(world, policy);
        return told(policy);
      });
    },
    GetPolicy: ({ policyEngineId, policyId }: Named) => told(policyOfEngine(world, policyEngineId, policyId)),
    GetPolicySummary: ({ policyEngineId, policyId }: Named) => summary(policyOfEngine(world, policyEngineId, policyId)),
    async UpdatePolicy(input: UpdateInput) {
      const { policyEngineId, policyId, description: changed, enforcementMode } = input;
      policyOfEngine(world, policyEngineId, policyId);
      const { definition, statement } = input.definition ? definitionOf(policyEngineId, input.definition) : {};
      const found = statement === undefined ? undefined : await reasonsFor(policyEngineId, statement, input);
      const before = policyOfEngine(world, policyEngineId, policyId);
      checkSettled(world, `Policy ${policyId}`, before);
      const { description, valid, ...rest } = before;
      const kept = changed ? changed.optionalValue : description;
      const reasons = found ?? before.reasons;
      const mode = enforcementMode ?? before.enforcementMode;
      const text = statement ?? valid?.statement;
      const last = valid && { statement: valid.statement, mode: valid.mode };
      const next =
        reasons.length === 0 && text !== undefined ? { statement: text, mode, from: soon(), ...(last && { before: last }) } : valid;
      const policy: StoredPolicy = {
        ...rest,
        ...(kept !== undefined && { description: kept }),
        ...(next && { valid: next }),
        definition: definition ?? before.definition,
        enforcementMode: mode,
        reasons,
        updatedAt: date(),
        until: 'UPDATING',
        readyAt: soon(),
      };
      putPolicy(world, policy);
      return told(policy);
    },
    DeletePolicy({ policyEngineId, policyId }: Named) {
      const policy = policyOfEngine(world, policyEngineId, policyId);
      if (policy.goneAt !== undefined) return told(policy);
      const gone: StoredPolicy = { ...policy, goneAt: soon() };
      putPolicy(world, gone);
      return told(gone);
    },
    ListPolicies: (input: PageRequest & InEngine) => page(input, told),
    ListPolicySummaries: (input: PageRequest & InEngine) => page(input, summary),
  };
}

/** Whether a policy is for this gateway: it names it, or none. */
function isAbout({ definition }: StoredPolicy, arn: string): boolean {
  const { statement = '' } = definition.cedar ?? definition.policy ?? {};
  const named = [...statement.matchAll(/AgentCore::Gateway::"([^"]*)"/g)].map(([, id]) => id);
  return named.length === 0 || named.includes(arn);
}
