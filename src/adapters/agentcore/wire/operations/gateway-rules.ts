/** The control plane of Gateway: rules. They route requests to HTTP targets and configuration bundles, which this server does not execute. */
import { randomUUID } from 'node:crypto';
import type { Operations, World } from '../call.ts';
import { refused } from '../codec/error.ts';
import { conflict, gatewayArn, gatewayOf, partOf, partsOf, RULE } from '../gateway/resources.ts';
import type { PageRequest } from '../state.ts';
import { isHere, TAKES } from './resource.ts';

interface Settings {
  priority: number;
  actions: readonly Action[];
  conditions?: readonly object[];
  description?: string;
}

interface Splits {
  trafficSplit: readonly { name: string; weight: number }[];
}
interface Action {
  routeToTarget?: { weightedRoute?: Splits };
  configurationBundle?: { weightedOverride?: Splits };
}

interface Rule extends Settings {
  id: string;
  createdAt: Date;
  updatedAt?: Date;
  readyAt: number;
  goneAt?: number;
}

interface InGateway {
  gatewayIdentifier: string;
}
interface Named extends InGateway {
  ruleId: string;
}

const MOST_ACTIONS_OF_A_KIND = 1;
const WHOLE = 100;

export function gatewayRuleOperations(world: World): Operations {
  const { state, clock } = world;
  const soon = () => clock.now() + TAKES;
  const date = () => new Date(clock.now());

  const statusOf = ({ goneAt, readyAt, updatedAt }: Rule) =>
    goneAt !== undefined ? 'DELETING' : clock.now() >= readyAt ? 'ACTIVE' : updatedAt ? 'UPDATING' : 'CREATING';

  function told(gateway: string, rule: Rule) {
    const { id, readyAt: _, goneAt: __, ...kept } = rule;
    return { ...kept, ruleId: id, gatewayArn: gatewayArn(world, gateway), status: statusOf(rule) };
  }

  function put(gateway: string, rule: Rule) {
    check(rule);
    if (partsOf<Rule>(world, RULE, gateway).some(({ id, priority }) => id !== rule.id && priority === rule.priority))
      throw conflict(`A rule of the gateway ${gateway} has the priority ${rule.priority} already.`);
    state.put(RULE, `${gateway}/${rule.id}`, rule, gateway);
    return told(gateway, rule);
  }

  const ruleOf = ({ gatewayIdentifier, ruleId }: Named) => partOf<Rule>(world, RULE, 'Gateway rule', gatewayIdentifier, ruleId);

  return {
    CreateGatewayRule(input: Settings & InGateway & { clientToken?: string }) {
      const { gatewayIdentifier: gateway, clientToken, ...settings } = input;
      gatewayOf(world, gateway);
      return state.once('CreateGatewayRule', clientToken, input, () =>
        put(gateway, { ...settings, id: randomUUID(), createdAt: date(), readyAt: soon() }),
      );
    },
    GetGatewayRule: (named: Named) => told(named.gatewayIdentifier, ruleOf(named)),
    UpdateGatewayRule(input: Partial<Settings> & Named) {
      const { gatewayIdentifier: gateway, ruleId: _, ...changed } = input;
      const before = ruleOf(input);
      if (statusOf(before) !== 'ACTIVE') throw conflict(`Gateway rule ${before.id} is ${statusOf(before)}. Wait until it is ACTIVE.`);
      return put(gateway, { ...before, ...changed, updatedAt: date(), readyAt: soon() });
    },
    DeleteGatewayRule(named: Named) {
      const rule = ruleOf(named);
      state.put(RULE, `${named.gatewayIdentifier}/${rule.id}`, { ...rule, goneAt: rule.goneAt ?? soon() }, named.gatewayIdentifier);
      return { ruleId: rule.id, status: 'DELETING' };
    },
    ListGatewayRules({ gatewayIdentifier: gateway, ...request }: InGateway & PageRequest) {
      gatewayOf(world, gateway);
      const { items, nextToken } = state.page<Rule>(RULE, gateway, request);
      return { gatewayRules: items.filter((rule) => isHere(world, rule)).map((rule) => told(gateway, rule)), nextToken };
    },
  };
}

/** @throws AwsError `ValidationException`. */
function check({ actions, conditions = [] }: Settings): void {
  for (const list of [actions, conditions]) {
    const kinds = list.map((one) => Object.keys(one)[0]);
    if (new Set(kinds).size < kinds.length) throw refused(`A rule has at most ${MOST_ACTIONS_OF_A_KIND} ${kinds[0]}.`);
  }
  for (const { routeToTarget, configurationBundle } of actions) {
    const { trafficSplit } = routeToTarget?.weightedRoute ?? configurationBundle?.weightedOverride ?? { trafficSplit: undefined };
    if (!trafficSplit) continue;
    if (trafficSplit.reduce((sum, { weight }) => sum + weight, 0) !== WHOLE)
      throw refused(`The weights of a trafficSplit add up to ${WHOLE}.`);
    if (new Set(trafficSplit.map(({ name }) => name)).size < trafficSplit.length)
      throw refused('The names in a trafficSplit differ from each other.');
  }
}
