/** The control plane of Policy: policy engines. */
import type { Operations, World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import { GATEWAY, type Gateway } from '../gateway/resources.ts';
import {
  checkSettled,
  conflict,
  ENGINE,
  engineArn,
  engineOf,
  generationsOf,
  type PolicyEngine,
  policiesOf,
  putGeneration,
  statusOf,
} from '../policy/resources.ts';
import type { PageRequest } from '../state.ts';
import { suffix, TAKES } from './resource.ts';

interface Named {
  policyEngineId: string;
}
type Settings = Pick<PolicyEngine, 'name' | 'description' | 'encryptionKeyArn'>;
/** A value that is removed where it is not given. */
export interface Changed {
  optionalValue?: string;
}

/** A quota of AWS. */
const MOST = 1_000;

export function policyEngineOperations(world: World): Operations {
  const { state, clock } = world;
  const soon = () => clock.now() + TAKES;
  const date = () => new Date(clock.now());

  function summary(engine: PolicyEngine) {
    const { id, name, createdAt, updatedAt, encryptionKeyArn } = engine;
    return {
      policyEngineId: id,
      name,
      createdAt,
      updatedAt,
      policyEngineArn: engineArn(world, id),
      status: statusOf(world, engine),
      ...(encryptionKeyArn !== undefined && { encryptionKeyArn }),
    };
  }
  const told = (engine: PolicyEngine) => ({
    ...summary(engine),
    statusReasons: [],
    ...(engine.description !== undefined && { description: engine.description }),
  });
  function page<T>(input: PageRequest, each: (engine: PolicyEngine) => T) {
    const { items, nextToken } = state.page<PolicyEngine>(ENGINE, '', input);
    return { policyEngines: items.map(each), nextToken };
  }

  return {
    CreatePolicyEngine(input: Settings & { clientToken?: string; tags?: Record<string, string> }) {
      const { clientToken, tags = {}, ...settings } = input;
      return state.once('CreatePolicyEngine', clientToken, input, () => {
        const here = state.list<PolicyEngine>(ENGINE);
        if (here.some(({ name }) => name === input.name)) throw conflict(`A policy engine with the name ${input.name} exists already.`);
        if (here.length >= MOST) throw new AwsError('ServiceQuotaExceededException', `An account has at most ${MOST} policy engines.`);
        const at = date();
        const id = `${input.name}-${suffix().toLowerCase()}`;
        const engine: PolicyEngine = { ...settings, id, tags, createdAt: at, updatedAt: at, until: 'CREATING', readyAt: soon() };
        state.put(ENGINE, id, engine);
        return told(engine);
      });
    },
    GetPolicyEngine: ({ policyEngineId }: Named) => told(engineOf(world, policyEngineId)),
    GetPolicyEngineSummary: ({ policyEngineId }: Named) => summary(engineOf(world, policyEngineId)),
    UpdatePolicyEngine({ policyEngineId, description: changed }: Named & { description?: Changed }) {
      const before = engineOf(world, policyEngineId);
      checkSettled(world, `Policy engine ${policyEngineId}`, before);
      const { description, ...rest } = before;
      const kept = changed ? changed.optionalValue : description;
      const engine: PolicyEngine = {
        ...rest,
        ...(kept !== undefined && { description: kept }),
        updatedAt: date(),
        until: 'UPDATING',
        readyAt: soon(),
      };
      state.put(ENGINE, policyEngineId, engine);
      return told(engine);
    },
    DeletePolicyEngine({ policyEngineId }: Named) {
      const engine = engineOf(world, policyEngineId);
      if (engine.goneAt !== undefined) return told(engine);
      if (policiesOf(world, policyEngineId).length > 0) throw conflict(`Policy engine ${policyEngineId} has policies. Delete them first.`);
      const arn = engineArn(world, policyEngineId);
      const user = state.list<Gateway>(GATEWAY).find(({ settings }) => settings.policyEngineConfiguration?.arn === arn);
      if (user) throw conflict(`Policy engine ${policyEngineId} is that of gateway ${user.id}. Detach it first.`);
      const gone: PolicyEngine = { ...engine, goneAt: soon() };
      state.put(ENGINE, policyEngineId, gone);
      // with the assets of each
      for (const generation of generationsOf(world, policyEngineId)) putGeneration(world, { ...generation, goneAt: soon() });
      return told(gone);
    },
    ListPolicyEngines: (input: PageRequest) => page(input, told),
    ListPolicyEngineSummaries: (input: PageRequest) => page(input, summary),
  };
}
