/** The policies of an engine as the `Policy` of a gateway. */
import { type Lazy, lazy } from '../../../../flight.ts';
import type { Policy } from '../../../../ports/policy.ts';
import { enforced } from '../../../policy/enforced.ts';
import { deciderOf } from '../../../policy/findings.ts';
import { entityOf, iamEntity, oauthUser } from '../../../policy/principals.ts';
import type { DescribedTool } from '../../../policy/tools.ts';
import type { Decider } from '../../../policy/verdict.ts';
import type { World } from '../call.ts';
import { logDecision } from '../gateway/exchange.ts';
import { type Gateway, gatewayArn } from '../gateway/resources.ts';
import { recordOf } from './decided.ts';
import { engineOf, policiesOf, type StoredPolicy } from './resources.ts';

/** The tools of a gateway by their full names, as they are now. */
export type ToolsOf = (gateway: Gateway) => Promise<readonly DescribedTool[]>;

/** The statements that are valid now, by the id of each policy: those that decide, or those that only log. */
function statementsOf(world: World, engine: string, mode: StoredPolicy['enforcementMode']): Map<string, string> {
  const now = world.clock.now();
  return new Map(
    policiesOf(world, engine).flatMap(({ id, valid }) => {
      const rule = valid && now < valid.from ? valid.before : valid;
      return rule?.mode === mode ? [[id, rule.statement] as const] : [];
    }),
  );
}

/** What decides, and each policy that only logs by itself. */
interface Loaded {
  readonly decides: Decider;
  readonly alone: ReadonlyMap<string, Decider>;
}

/** Whether the callers of a gateway are users: those of a token, or anyone. Else they are entities of IAM. */
export const hasUsers = ({ settings: { authorizerConfiguration, authorizerType } }: Gateway): boolean =>
  authorizerConfiguration?.customJWTAuthorizer !== undefined || authorizerType === 'NONE';

/**
 * What the policy engine of a gateway decides; undefined for a gateway without one. A change of a policy holds for the next call. An engine that is
 * deleted denies.
 */
export function gatewayPolicy(world: World, gateway: Gateway, toolsOf: ToolsOf): Policy | undefined {
  const { policyEngineConfiguration: configured } = gateway.settings;
  if (!configured) return undefined;
  const engine = configured.arn.split('/')[1] as string;
  const principal = hasUsers(gateway) ? oauthUser : iamEntity;
  const now = () => world.clock.now();
  let made: { key: string; loaded: Lazy<Loaded> } | undefined;
  async function load(deciding: ReadonlyMap<string, string>, logging: ReadonlyMap<string, string>): Promise<Loaded> {
    const about = { arn: gatewayArn(world, gateway.id), tools: await toolsOf(gateway) };
    const alone = [...logging].map(async ([id, statement]) => [id, await deciderOf(new Map([[id, statement]]), about)] as const);
    return { decides: await deciderOf(deciding, about), alone: new Map(await Promise.all(alone)) };
  }
  const current = (again: boolean): Promise<Loaded> => {
    engineOf(world, engine);
    const [deciding, logging] = [statementsOf(world, engine, 'ACTIVE'), statementsOf(world, engine, 'LOG_ONLY')];
    const key = JSON.stringify([[...deciding], [...logging]]);
    if (made?.key !== key) made = { key, loaded: lazy(() => load(deciding, logging)) };
    else if (again) made.loaded.forget();
    return made.loaded();
  };
  const by = ({ decides }: Loaded, onDecision?: Parameters<typeof enforced>[1]['onDecision']) =>
    enforced(() => decides, { mode: configured.mode, principal, onDecision, now });
  return {
    async decide(r) {
      let loaded = await current(false);
      // a tool that came since: a server may list others from one call to the next
      if (!loaded.decides.knows(r.tool)) loaded = await current(true);
      const ask = (decider: Decider) => decider.call(entityOf(r.by, principal), r, now());
      return by(loaded, (decision) => logDecision(recordOf(decision, configured.mode, loaded.alone, ask))).decide(r);
    },
    async offers(r) {
      let loaded = await current(false);
      if (!r.tools.every((name) => loaded.decides.knows(name))) loaded = await current(true);
      return by(loaded).offers(r);
    },
  };
}
