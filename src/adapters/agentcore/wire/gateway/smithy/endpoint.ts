/** Where the service of a Smithy model is, and what its requests are signed for: by its endpoint rules, or by its endpoint prefix. */
import type { Json, JsonObject } from '../../../../../json.ts';
import { isObject } from '../../../../../json-schema/keywords.ts';
import { type SmithyModel, wrong } from './model.ts';

export interface Endpoint {
  readonly url: string;
  /** The name and the region of the signature. */
  readonly service: string;
  readonly region: string;
}

/** @throws RondoError `CONFIG_INVALID` for a model that is not of a service of AWS. */
export function endpointOf({ service }: SmithyModel, region: string): Endpoint {
  const { 'aws.api#service': aws, 'aws.auth#sigv4': sigv4, 'smithy.rules#endpointRuleSet': rules } = service.traits;
  if (!isObject(aws))
    throw wrong(
      `${service.id} has no trait aws.api#service: AgentCore takes models of services of AWS alone. Give an openApiSchema for another.`,
    );
  const name = isObject(sigv4) && typeof sigv4.name === 'string' ? sigv4.name : undefined;
  const prefix = [aws.endpointPrefix, aws.arnNamespace, name].find((one) => typeof one === 'string');
  const ruled = isObject(rules) ? byRules(rules, region) : undefined;
  const url = ruled?.url ?? (prefix === undefined ? '' : `https://${prefix}.${region}.${partitionOf(region).dnsSuffix}`);
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:')
    throw wrong(`${service.id} says no endpoint for ${region}: it has neither an endpointPrefix nor rules that lead to one.`);
  return { url, service: ruled?.signingName ?? name ?? String(prefix), region: ruled?.signingRegion ?? region };
}

interface Ruled {
  url: string;
  signingName?: string;
  signingRegion?: string;
}
type Scope = Readonly<Record<string, Json | undefined>>;

/** What this evaluation does not know: then the endpoint prefix says where the service is. */
class Unknown extends Error {}

function byRules({ parameters, rules }: JsonObject, region: string): Ruled | undefined {
  const scope: Record<string, Json | undefined> = {};
  for (const [name, parameter] of Object.entries(isObject(parameters) ? parameters : {})) {
    const { builtIn, default: fallback } = isObject(parameter) ? parameter : {};
    scope[name] = builtIn === 'AWS::Region' ? region : fallback;
  }
  try {
    return first(rules, scope);
  } catch (error) {
    if (error instanceof Unknown) return undefined;
    throw error;
  }
}

/** What the first rule says whose conditions hold. */
function first(rules: Json | undefined, outer: Scope): Ruled | undefined {
  for (const rule of Array.isArray(rules) ? rules : []) {
    if (!isObject(rule)) continue;
    const scope = met(rule.conditions, outer);
    if (!scope) continue;
    if (rule.type === 'tree' || rule.rules !== undefined) return first(rule.rules, scope);
    if (!isObject(rule.endpoint)) return undefined;
    const url = evaluated(rule.endpoint.url, scope);
    if (typeof url !== 'string') throw new Unknown();
    return { url, ...signingOf(rule.endpoint.properties, scope) };
  }
  return undefined;
}

function signingOf(properties: Json | undefined, scope: Scope): Partial<Ruled> {
  const schemes = isObject(properties) && Array.isArray(properties.authSchemes) ? properties.authSchemes : [];
  const scheme = schemes.find((one) => isObject(one) && one.name === 'sigv4');
  const { signingName, signingRegion } = isObject(scheme) ? scheme : {};
  const told = (value: Json | undefined) => (value === undefined ? undefined : evaluated(value, scope));
  const [name, region] = [told(signingName), told(signingRegion)];
  return { ...(typeof name === 'string' && { signingName: name }), ...(typeof region === 'string' && { signingRegion: region }) };
}

/** The scope with what the conditions name; undefined if one does not hold. */
function met(conditions: Json | undefined, outer: Scope): Scope | undefined {
  const scope = { ...outer };
  for (const condition of Array.isArray(conditions) ? conditions : []) {
    const value = evaluated(condition, scope);
    if (value === undefined || value === null || value === false) return undefined;
    if (isObject(condition) && typeof condition.assign === 'string') scope[condition.assign] = value;
  }
  return scope;
}

function evaluated(value: Json | undefined, scope: Scope): Json | undefined {
  if (typeof value === 'string') return filled(value, scope);
  if (!isObject(value)) return value;
  if (typeof value.ref === 'string') return Object.hasOwn(scope, value.ref) ? scope[value.ref] : undefined;
  const args = (Array.isArray(value.argv) ? value.argv : []).map((one) => evaluated(one, scope));
  const [a, b] = args;
  switch (value.fn) {
    case 'isSet':
      return a !== undefined && a !== null;
    case 'not':
      return a !== true;
    case 'booleanEquals':
    case 'stringEquals':
      return a !== undefined && a === b;
    case 'aws.partition':
      return typeof a === 'string' ? { ...partitionOf(a) } : undefined;
    case 'getAttr':
      return isObject(a) && typeof b === 'string' && Object.hasOwn(a, b) ? a[b] : undefined;
    default:
      throw new Unknown();
  }
}

/** `https://x.{Region}.{Partition#dnsSuffix}` */
const filled = (template: string, scope: Scope): string =>
  template.replace(/\{([^{}#]+)(?:#([^{}]+))?\}/g, (_, name: string, attribute?: string) => {
    const found = Object.hasOwn(scope, name) ? scope[name] : undefined;
    const value = attribute === undefined ? found : isObject(found) ? found[attribute] : undefined;
    if (typeof value !== 'string') throw new Unknown();
    return value;
  });

const partitionOf = (region: string) => ({
  name: region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws',
  dnsSuffix: region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com',
  dualStackDnsSuffix: region.startsWith('cn-') ? 'api.amazonwebservices.com.cn' : 'api.aws',
  supportsFIPS: true,
  supportsDualStack: true,
});
