/** Rules of a gateway: which target of http gets a request, by its path and by who sends it. */
import { AwsError, refused } from '../codec/error.ts';
import { isLike } from './glob.ts';

export interface Rule {
  id: string;
  /** The lowest number is asked first. */
  priority: number;
  conditions?: readonly Condition[];
  actions: readonly Action[];
  description?: string;
  createdAt: Date;
  updatedAt: Date;
  until: 'CREATING' | 'UPDATING';
  readyAt: number;
  goneAt?: number;
}

/** A union: one member is set. */
export interface Condition {
  matchPrincipals?: { anyOf: readonly { iamPrincipal?: { arn: string; operator?: 'StringEquals' | 'StringLike' } }[] };
  matchPaths?: { anyOf: readonly string[] };
}

interface Split {
  name: string;
  weight: number;
  targetName: string;
}

/** Unions: one member is set. */
export interface Action {
  routeToTarget?: { staticRoute?: { targetName: string }; weightedRoute?: { trafficSplit: readonly Split[] } };
  configurationBundle?: object;
}

/** What a rule is asked about. */
export interface Routable {
  /** The name of the target in the path, and what follows it. */
  readonly target: string;
  readonly path: string;
  /** The ARN of a caller who signs. */
  readonly principal: string | undefined;
}

const RESERVED = ['mcp', 'a2a', 'responses', 'converse', '.well-known'];
const TARGET_OF_PATH = /^\/([^/*]+)\/\*$/;

/**
 * @param isThere whether the gateway has a target of http of this name that is READY.
 * @throws AwsError `ValidationException`; `NotImplementedException` for what this server does not execute.
 */
export function checkRule({ conditions = [], actions }: Pick<Rule, 'conditions' | 'actions'>, isThere: (target: string) => boolean): void {
  if (actions.some(({ configurationBundle }) => configurationBundle))
    throw new AwsError('NotImplementedException', 'This server does not execute configuration bundles. It executes routeToTarget.');
  if (actions.length > 1) throw refused('A rule has one action of each type.');
  for (const kind of ['matchPrincipals', 'matchPaths'] as const)
    if (conditions.filter((condition) => condition[kind]).length > 1) throw refused(`A rule has one condition of ${kind}.`);
  for (const path of conditions.flatMap(({ matchPaths }) => matchPaths?.anyOf ?? [])) {
    const [, name] = TARGET_OF_PATH.exec(path) ?? [];
    if (name === undefined || RESERVED.includes(name)) throw refused(`A path of a rule is "/<target>/*", and not ${JSON.stringify(path)}.`);
    if (!isThere(name)) throw refused(`The gateway has no READY target of http with the name ${name}.`);
  }
  const splits = actions.flatMap(({ routeToTarget }) => routeToTarget?.weightedRoute?.trafficSplit ?? []);
  const names = splits.map(({ name }) => name);
  if (new Set(names).size < names.length) throw refused('The variants of a trafficSplit have names of their own.');
  if (splits.length > 0 && splits.reduce((sum, { weight }) => sum + weight, 0) !== 100)
    throw refused('The weights of a trafficSplit are 100 together.');
  for (const name of targetsOfRule({ actions }))
    if (!isThere(name)) throw refused(`The gateway has no READY target of http with the name ${name}.`);
}

/** The targets that a rule can choose. */
export function targetsOfRule({ actions }: Pick<Rule, 'actions'>): readonly string[] {
  const { staticRoute, weightedRoute } = actions[0]?.routeToTarget ?? {};
  return staticRoute ? [staticRoute.targetName] : (weightedRoute?.trafficSplit.map(({ targetName }) => targetName) ?? []);
}

/** The first rule that says where a request goes; undefined: it goes where its path says. */
export function ruleFor(rules: readonly Rule[], asked: Routable): Rule | undefined {
  return [...rules]
    .sort((a, b) => a.priority - b.priority)
    .find(
      ({ conditions = [], actions }) => actions.some(({ routeToTarget }) => routeToTarget) && conditions.every((one) => holds(one, asked)),
    );
}

function holds({ matchPrincipals, matchPaths }: Condition, { target, path, principal }: Routable): boolean {
  // users measured that "/<target>" without a slash is not a path of "/<target>/*"
  if (matchPaths) return path.startsWith('/') && matchPaths.anyOf.some((pattern) => TARGET_OF_PATH.exec(pattern)?.[1] === target);
  return (matchPrincipals?.anyOf ?? []).some(({ iamPrincipal: { arn, operator } = { arn: '' } }) =>
    operator === 'StringLike' ? principal !== undefined && isLike(principal, arn) : principal === arn,
  );
}

/** The target of a rule. @param random from 0 to 1, for one with weights. */
export function targetOfRule(rule: Rule, random: number): string {
  const { weightedRoute } = rule.actions[0]?.routeToTarget ?? {};
  const names = targetsOfRule(rule);
  const first = weightedRoute?.trafficSplit[0]?.weight ?? 100;
  return names[random * 100 < first ? 0 : 1] as string;
}
