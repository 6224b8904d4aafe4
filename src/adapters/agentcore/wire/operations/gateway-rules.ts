/** The control plane of Gateway: rules. */
import type { Operations, World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import { conflict, gatewayArn, gatewayOf, partOf, partsOf, RULE, statusOf, TARGET, type Target } from '../gateway/resources.ts';
import { checkRule, type Rule } from '../gateway/rules.ts';
import type { PageRequest } from '../state.ts';
import { checkStays, suffix, TAKES } from './resource.ts';

interface InGateway {
  gatewayIdentifier: string;
}
interface Named extends InGateway {
  ruleId: string;
}
type Settings = Pick<Rule, 'priority' | 'conditions' | 'actions' | 'description'>;

/** Of a gateway. */
const MOST = 100;

export function gatewayRuleOperations(world: World): Operations {
  const { state, clock } = world;
  const date = () => new Date(clock.now());

  function told(gateway: string, { id, readyAt, goneAt, until, ...kept }: Rule) {
    const status = goneAt !== undefined ? 'DELETING' : clock.now() >= readyAt ? 'ACTIVE' : until;
    return { ...kept, ruleId: id, gatewayArn: gatewayArn(world, gateway), status };
  }

  const ruleOf = ({ gatewayIdentifier, ruleId }: Named) => partOf<Rule>(world, RULE, 'Gateway rule', gatewayIdentifier, ruleId);

  function put(gateway: string, rule: Rule) {
    const targets = partsOf<Target>(world, TARGET, gateway).filter(({ settings }) => settings.targetConfiguration.http);
    checkRule(rule, (name) => targets.some((target) => target.name === name && statusOf(world, target, target.failed) === 'READY'));
    const here = partsOf<Rule>(world, RULE, gateway).filter(({ id, goneAt }) => id !== rule.id && goneAt === undefined);
    if (here.some(({ priority }) => priority === rule.priority))
      throw conflict(`A rule with the priority ${rule.priority} exists already.`);
    if (here.length >= MOST) throw new AwsError('ServiceQuotaExceededException', `A gateway has at most ${MOST} rules.`);
    state.put(RULE, `${gateway}/${rule.id}`, rule, gateway);
    return told(gateway, rule);
  }

  return {
    // its answer has no updatedAt
    CreateGatewayRule(input: Settings & InGateway & { clientToken?: string }) {
      const { gatewayIdentifier: gateway, clientToken, ...settings } = input;
      checkStays(`Gateway ${gateway}`, gatewayOf(world, gateway));
      return state.once('CreateGatewayRule', clientToken, input, () => {
        const at = date();
        const { updatedAt: _, ...made } = put(gateway, {
          ...settings,
          id: suffix(),
          createdAt: at,
          updatedAt: at,
          until: 'CREATING',
          readyAt: clock.now() + TAKES,
        });
        return made;
      });
    },
    GetGatewayRule: (named: Named) => told(named.gatewayIdentifier, ruleOf(named)),
    UpdateGatewayRule({ gatewayIdentifier, ruleId, ...changes }: Named & Partial<Settings>) {
      const before = ruleOf({ gatewayIdentifier, ruleId });
      checkStays(`The rule ${ruleId}`, before);
      const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
      return put(gatewayIdentifier, { ...before, ...given, updatedAt: date(), until: 'UPDATING', readyAt: clock.now() + TAKES });
    },
    DeleteGatewayRule(named: Named) {
      const rule = ruleOf(named);
      const { gatewayIdentifier: gateway } = named;
      state.put(RULE, `${gateway}/${rule.id}`, { ...rule, goneAt: rule.goneAt ?? clock.now() + TAKES }, gateway);
      return { ruleId: rule.id, status: 'DELETING' };
    },
    ListGatewayRules({ gatewayIdentifier: gateway, ...request }: InGateway & PageRequest) {
      gatewayOf(world, gateway);
      const { items, nextToken } = state.page<Rule>(RULE, gateway, request);
      return { gatewayRules: items.map((rule) => told(gateway, rule)), nextToken };
    },
  };
}
