/** The control plane of Gateway: rate limits. */
import type { Operations, World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import { checkLimit, type LimitEntry, type LimitSettings, type RateLimit, SPREADS } from '../gateway/rate-limits.ts';
import { conflict, gatewayOf, partOf, partsOf, RATE_LIMIT } from '../gateway/resources.ts';
import type { PageRequest } from '../state.ts';
import { checkStays, suffix } from './resource.ts';

interface InGateway {
  gatewayIdentifier: string;
}
interface Named extends InGateway {
  rateLimitId: string;
}
type Put = LimitSettings & { rateLimitId?: string };

/** Of a gateway. */
const MOST = 50;

export function gatewayRateLimitOperations(world: World): Operations {
  const { state, clock } = world;
  const soon = () => clock.now() + SPREADS;
  const date = () => new Date(clock.now());

  const statusOf = ({ goneAt, readyAt, until }: RateLimit) =>
    goneAt !== undefined ? 'DELETING' : clock.now() >= readyAt ? 'ACTIVE' : until;

  function told(gateway: string, limit: RateLimit) {
    const { id, readyAt: _, goneAt: __, until: ___, ...kept } = limit;
    return { ...kept, rateLimitId: id, gatewayIdentifier: gateway, status: statusOf(limit) };
  }

  const limitOf = ({ gatewayIdentifier, rateLimitId }: Named) =>
    partOf<RateLimit>(world, RATE_LIMIT, 'Gateway rate limit', gatewayIdentifier, rateLimitId);

  function put(gateway: string, limit: RateLimit) {
    checkLimit(limit);
    state.put(RATE_LIMIT, `${gateway}/${limit.id}`, limit, gateway);
    return told(gateway, limit);
  }

  const keysOf = ({ dimensionKeys }: LimitSettings) => JSON.stringify(dimensionKeys);

  function add(gateway: string, { rateLimitId: id = suffix(), ...settings }: Put) {
    const here = partsOf<RateLimit>(world, RATE_LIMIT, gateway);
    if (here.some((other) => other.id === id)) throw conflict(`A rate limit with the id ${id} exists already.`);
    if (here.some((other) => keysOf(other) === keysOf(settings)))
      throw conflict(`A rate limit of ${settings.dimensionKeys.join(', ')} exists already. Update its entries.`);
    if (here.length >= MOST) throw new AwsError('ServiceQuotaExceededException', `A gateway has at most ${MOST} rate limits.`);
    const at = date();
    return put(gateway, { ...settings, id, createdAt: at, updatedAt: at, until: 'CREATING', readyAt: soon() });
  }

  function change(gateway: string, before: RateLimit, entries: readonly LimitEntry[], description: string | undefined) {
    checkStays(`The rate limit ${before.id}`, before);
    const changes = { entries, ...(description !== undefined && { description }) };
    return put(gateway, { ...before, ...changes, updatedAt: date(), until: 'UPDATING', readyAt: soon() });
  }

  return {
    CreateGatewayRateLimit(input: Put & InGateway & { clientToken?: string }) {
      const { gatewayIdentifier: gateway, clientToken, ...settings } = input;
      checkStays(`Gateway ${gateway}`, gatewayOf(world, gateway));
      return state.once('CreateGatewayRateLimit', clientToken, input, () => add(gateway, settings));
    },
    GetGatewayRateLimit: (named: Named) => told(named.gatewayIdentifier, limitOf(named)),
    UpdateGatewayRateLimit: ({ entries, description, ...named }: Named & { entries: readonly LimitEntry[]; description?: string }) =>
      change(named.gatewayIdentifier, limitOf(named), entries, description),
    DeleteGatewayRateLimit(named: Named) {
      const limit = limitOf(named);
      const { gatewayIdentifier: gateway } = named;
      state.put(RATE_LIMIT, `${gateway}/${limit.id}`, { ...limit, goneAt: limit.goneAt ?? soon() }, gateway);
      return { rateLimitId: limit.id, status: 'DELETING' };
    },
    ListGatewayRateLimits({ gatewayIdentifier: gateway, ...request }: InGateway & PageRequest) {
      gatewayOf(world, gateway);
      const { items, nextToken } = state.page<RateLimit>(RATE_LIMIT, gateway, request);
      return { rateLimits: items.map((limit) => told(gateway, limit)), nextToken };
    },
    /** All of them, or none. */
    BatchPutGatewayRateLimits(input: InGateway & { rateLimits: readonly Put[]; clientToken?: string }) {
      const { gatewayIdentifier: gateway, rateLimits, clientToken } = input;
      checkStays(`Gateway ${gateway}`, gatewayOf(world, gateway));
      return state.once('BatchPutGatewayRateLimits', clientToken, input, () => ({
        rateLimits: rateLimits.map((given) => {
          const here = partsOf<RateLimit>(world, RATE_LIMIT, gateway);
          const known = here.find((other) =>
            given.rateLimitId === undefined ? keysOf(other) === keysOf(given) : other.id === given.rateLimitId,
          );
          if (!known) return add(gateway, given);
          if (keysOf(known) !== keysOf(given)) throw conflict(`The dimensionKeys of the rate limit ${known.id} cannot change.`);
          return change(gateway, known, given.entries, given.description);
        }),
      }));
    },
  };
}
