/** The policies of an engine as the `Policy` of a gateway. */
import type { Policy } from '../../../../ports/policy.ts';
import type { Decider } from '../../../policy/decide.ts';
import { enforced } from '../../../policy/enforced.ts';
import { deciderOf } from '../../../policy/findings.ts';
import { iamEntity, oauthUser } from '../../../policy/principals.ts';
import type { DescribedTool } from '../../../policy/tools.ts';
import type { World } from '../call.ts';
import { type Gateway, gatewayArn } from '../gateway/resources.ts';
import { engineOf, policiesOf } from './resources.ts';

/** The tools of a gateway by their full names, as they are now. */
export type ToolsOf = (gateway: Gateway) => Promise<readonly DescribedTool[]>;

/** The statements that are in force now, by the id of each policy. One that only logs decides nothing. */
function inForce(world: World, engine: string): Map<string, string> {
  const now = world.clock.now();
  return new Map(
    policiesOf(world, engine).flatMap(({ id, valid, enforcementMode }) => {
      const statement = valid && now < valid.from ? valid.before : valid?.statement;
      return statement === undefined || enforcementMode === 'LOG_ONLY' ? [] : [[id, statement] as const];
    }),
  );
}

/**
 * What the policy engine of a gateway decides; undefined for a gateway without one. A change of a policy holds for the next call. An engine that is
 * deleted denies.
 */
export function gatewayPolicy(world: World, gateway: Gateway, toolsOf: ToolsOf): Policy | undefined {
  const { policyEngineConfiguration: configured, authorizerConfiguration, authorizerType } = gateway.settings;
  if (!configured) return undefined;
  const engine = configured.arn.split('/')[1] as string;
  const isUser = authorizerConfiguration?.customJWTAuthorizer !== undefined || authorizerType === 'NONE';
  let made: { key: string; decider: Promise<Decider> } | undefined;
  const current = (again: boolean): Promise<Decider> => {
    engineOf(world, engine);
    const statements = inForce(world, engine);
    const key = JSON.stringify([...statements]);
    if (again || made?.key !== key) {
      const decider = toolsOf(gateway).then((tools) => deciderOf(statements, { arn: gatewayArn(world, gateway.id), tools }));
      made = { key, decider };
      // a failure is not kept: the next call tries again
      decider.catch(() => {
        if (made?.decider === decider) made = undefined;
      });
    }
    return (made as { decider: Promise<Decider> }).decider;
  };
  const by = (decider: Decider) =>
    enforced(() => decider, {
      mode: configured.mode,
      principal: isUser ? oauthUser : iamEntity,
      onDecision: undefined,
      now: () => world.clock.now(),
    });
  return {
    async decide(r) {
      let decider = await current(false);
      // a tool that came since: a server may list others from one call to the next
      if (!decider.knows(r.tool)) decider = await current(true);
      return by(decider).decide(r);
    },
    async offers(r) {
      let decider = await current(false);
      if (!r.tools.every((name) => decider.knows(name))) decider = await current(true);
      return by(decider).offers(r);
    },
  };
}
