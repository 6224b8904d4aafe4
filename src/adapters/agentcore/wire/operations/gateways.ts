/** The control plane of Gateway: gateways. */
import { RondoError } from '../../../../errors.ts';
import { jwtAuthorizer } from '../../../../server/authorizer.ts';
import type { Operations, World } from '../call.ts';
import { AwsError, invalidInput, refused } from '../codec/error.ts';
import {
  checkSettled,
  conflict,
  GATEWAY,
  type Gateway,
  type GatewaySettings,
  gatewayArn,
  gatewayOf,
  gatewayUrl,
  partsOf,
  statusOf,
  TARGET,
} from '../gateway/resources.ts';
import { VERSIONS } from '../gateway/versions.ts';
import { addWorkloadOf, removeWorkload, workloadArn } from '../identity/resources.ts';
import type { PageRequest } from '../state.ts';
import { suffix, TAKES } from './resource.ts';

interface Named {
  gatewayIdentifier: string;
}
type CreateInput = GatewaySettings & { name: string; clientToken?: string; tags?: Record<string, string> };
type UpdateInput = GatewaySettings & Named & { name: string };

/** A quota of AWS. */
const MOST = 1_000;

/** What happens beside the state. */
export interface GatewayEvents {
  /** It was changed or deleted. */
  changed(gateway: string): void;
  /** @throws AwsError for an engine that is not there. */
  checkEngine(arn: string): void;
}

export function gatewayOperations(world: World, { changed, checkEngine }: GatewayEvents): Operations {
  const { state, clock } = world;
  const soon = () => clock.now() + TAKES;
  const date = () => new Date(clock.now());

  function told(gateway: Gateway) {
    const { id, name, createdAt, updatedAt, settings } = gateway;
    return {
      ...settings,
      gatewayArn: gatewayArn(world, id),
      gatewayId: id,
      gatewayUrl: gatewayUrl(world, gateway),
      name,
      createdAt,
      updatedAt,
      status: statusOf(world, gateway),
      workloadIdentityDetails: { workloadIdentityArn: workloadArn(world, id) },
    };
  }

  function summary(gateway: Gateway) {
    const { gatewayId, name, status, createdAt, updatedAt, authorizerType, description, protocolType } = told(gateway);
    return { gatewayId, name, status, createdAt, updatedAt, authorizerType, description, protocolType };
  }

  function check({ authorizerType, authorizerConfiguration, ...o }: GatewaySettings): void {
    const options = authorizerConfiguration?.customJWTAuthorizer;
    if (authorizerType === 'CUSTOM_JWT' && !options) throw refused('The authorizerType CUSTOM_JWT needs an authorizerConfiguration.');
    if (authorizerType !== 'CUSTOM_JWT' && options) throw refused(`The authorizerType ${authorizerType} has no authorizerConfiguration.`);
    if (options) checkAuthorizer(options);
    if (o.protocolConfiguration && o.protocolType === undefined) throw refused('A protocolConfiguration needs its protocolType.');
    const versions = o.protocolConfiguration?.mcp?.supportedVersions ?? [];
    const odd = versions.find((version) => !VERSIONS.includes(version));
    if (odd !== undefined) throw refused(`The MCP version ${odd} is not supported. There are ${VERSIONS.join(', ')}.`);
    const points = (o.interceptorConfigurations ?? []).flatMap(({ interceptionPoints }) => interceptionPoints);
    if (new Set(points).size < points.length) throw refused('A gateway has one interceptor for each interception point.');
    if (o.policyEngineConfiguration) checkEngine(o.policyEngineConfiguration.arn);
  }

  return {
    CreateGateway(input: CreateInput) {
      const { name, clientToken, tags = {}, ...settings } = input;
      check(settings);
      return state.once('CreateGateway', clientToken, input, () => {
        const here = state.list<Gateway>(GATEWAY);
        if (here.some((other) => other.name === name)) throw conflict(`A gateway with the name ${name} exists already.`);
        if (here.length >= MOST) throw new AwsError('ServiceQuotaExceededException', `An account has at most ${MOST} gateways.`);
        const at = date();
        const id = `${name.toLowerCase().replace(/-$/, '')}-${suffix().toLowerCase()}`;
        const gateway: Gateway = { id, name, createdAt: at, updatedAt: at, until: 'CREATING', readyAt: soon(), settings, tags };
        state.put(GATEWAY, id, gateway);
        addWorkloadOf(world, id, { openReturns: true });
        return told(gateway);
      });
    },
    GetGateway: ({ gatewayIdentifier }: Named) => told(gatewayOf(world, gatewayIdentifier)),
    UpdateGateway(input: UpdateInput) {
      const { gatewayIdentifier: id, name, ...settings } = input;
      check(settings);
      const before = gatewayOf(world, id);
      checkSettled(world, `Gateway ${id}`, before);
      if (name !== before.name) throw refused(`The name of a gateway cannot change. It is ${before.name}.`);
      if (searchOf(settings) !== searchOf(before.settings)) throw refused('The searchType of a gateway is chosen when it is created.');
      const gateway: Gateway = { ...before, settings, updatedAt: date(), until: 'UPDATING', readyAt: soon() };
      state.put(GATEWAY, id, gateway);
      changed(id);
      return told(gateway);
    },
    DeleteGateway({ gatewayIdentifier: id }: Named) {
      const gateway = gatewayOf(world, id);
      if (gateway.goneAt === undefined) {
        if (partsOf(world, TARGET, id).length > 0) throw conflict(`Gateway ${id} has targets. Delete them first.`);
        state.put(GATEWAY, id, { ...gateway, goneAt: soon() });
        removeWorkload(world, id);
        changed(id);
      }
      return { gatewayId: id, status: 'DELETING' };
    },
    ListGateways(input: PageRequest) {
      const { items, nextToken } = state.page<Gateway>(GATEWAY, '', input);
      return { items: items.map(summary), nextToken };
    },
  };
}

const searchOf = ({ protocolConfiguration }: GatewaySettings) => protocolConfiguration?.mcp?.searchType;

function checkAuthorizer(options: NonNullable<NonNullable<GatewaySettings['authorizerConfiguration']>['customJWTAuthorizer']>): void {
  try {
    jwtAuthorizer(options);
  } catch (error) {
    if (!RondoError.is(error, 'CONFIG_INVALID')) throw error;
    throw invalidInput([{ name: 'authorizerConfiguration.customJWTAuthorizer', message: error.message }]);
  }
}
