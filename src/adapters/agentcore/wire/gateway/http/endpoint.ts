/** The targets of HTTP of a gateway: who may call them, and with what credentials. Nothing of a request or an answer is translated. */
import type { Identity } from '../../../../../ports/identity.ts';
import type { Policy } from '../../../../../ports/policy.ts';
import type { Principal } from '../../../../../ports/principal.ts';
import { messageOf } from '../../../../../reliability/classify.ts';
import { outbound } from '../../../../gateway/outbound/auth.ts';
import type { Exceeded } from '../../../../gateway/rate-limits.ts';
import type { DescribedTool } from '../../../../policy/tools.ts';
import type { Received } from '../../answer.ts';
import type { Bound } from '../../bindings.ts';
import type { Caller, Operations, World } from '../../call.ts';
import { AwsError, because, type Encoded } from '../../codec/error.ts';
import type { Admitted } from '../admission.ts';
import { outboundOf, valuesFor } from '../credentials.ts';
import { type Exchange, exchange, OPAQUE } from '../exchange.ts';
import { type Gateway, partsOf, statusOf, TARGET, type Target } from '../resources.ts';
import { kindOf } from '../target-configuration.ts';
import { actionFor, actionsOf, inputOf } from './actions.ts';
import { passedThrough } from './passthrough.ts';
import { invoked, operationFor, roleOf } from './runtime.ts';

/** A request for a target, whose caller the gateway has let in. */
export interface HttpCall {
  readonly gateway: Gateway;
  /** The name of the target. */
  readonly target: string;
  /** What follows it in the path, as it was sent. */
  readonly path: string;
  readonly calling: Caller;
  readonly admitted: Admitted;
  readonly of: Exchange;
}

export interface HttpTargets {
  /** @throws AwsError. */
  answered(received: Received, call: HttpCall): Promise<Encoded>;
  /** What policies decide about. */
  actions(gateway: Gateway): Promise<readonly DescribedTool[]>;
  /** The targets of a gateway, or its policies, are others. */
  changed(gateway: string): void;
}

export interface HttpWorld {
  readonly world: World;
  readonly bound: Bound;
  /** The operations of Runtime. */
  readonly runtime: Operations;
  identityOf(gateway: string): Identity;
  policyOf(gateway: Gateway): Policy | undefined;
  exceeded(gateway: Gateway, target: string, by: Principal): Exceeded | undefined;
  tell(error: unknown): void;
}

const isHttp = ({ settings }: Target) => settings.targetConfiguration.http !== undefined;

export function httpTargets(o: HttpWorld): HttpTargets {
  const { world, bound } = o;
  const policies = new Map<string, Policy | undefined>();

  function policyOf(gateway: Gateway): Policy | undefined {
    if (!policies.has(gateway.id)) policies.set(gateway.id, o.policyOf(gateway));
    return policies.get(gateway.id);
  }

  const of = (gateway: Gateway) =>
    partsOf<Target>(world, TARGET, gateway.id).filter((target) => isHttp(target) && target.goneAt === undefined);

  function found(gateway: Gateway, name: string): Target {
    const target = of(gateway).find((one) => one.name === name);
    if (!target) throw new AwsError('UnknownOperationException', `Gateway ${gateway.id} has no target of http with the name ${name}.`);
    const status = statusOf(world, target, target.failed);
    if (target.until === 'CREATING' && status !== 'READY')
      throw new AwsError('ResourceNotFoundException', `The target ${name} is ${status}.`);
    return target;
  }

  async function permitted(gateway: Gateway, tool: string, received: Received, by: Principal, id: string): Promise<void> {
    const policy = policyOf(gateway);
    if (!policy) return;
    const ruling = await policy.decide({
      by,
      agent: 'gateway',
      tool,
      input: inputOf(received.body),
      effect: 'once',
      context: undefined,
      runId: id,
      session: undefined,
    });
    if (!('allow' in ruling && ruling.allow)) throw new AwsError('AccessDeniedException', ruling.reason ?? 'A policy denies the request.');
  }

  async function answered(received: Received, { gateway, target: name, path, calling, admitted, of: current }: HttpCall): Promise<Encoded> {
    const target = found(gateway, name);
    if ((gateway.settings.interceptorConfigurations ?? []).length > 0)
      throw new AwsError('NotImplementedException', 'This server does not execute interceptors in front of targets of http.');
    const { by } = admitted;
    const exceeded = o.exceeded(gateway, name, by);
    if (exceeded) throw limited(exceeded);
    return exchange.run(current, () => passed(received, { gateway, target, path, calling, admitted, id: current.id }));
  }

  async function passed(
    received: Received,
    { gateway, target, path, calling, admitted, id }: Omit<HttpCall, 'of' | 'target'> & { target: Target; id: string },
  ): Promise<Encoded> {
    const { by, token } = admitted;
    const { settings, name } = target;
    const { agentcoreRuntime, passthrough } = settings.targetConfiguration.http ?? {};
    const assertion = token === undefined ? undefined : { type: 'jwt', token };
    const credentials = settings.credentialProviderConfigurations ?? [];
    const [credential] = credentials;
    const had = async () => {
      const out = outbound(
        outboundOf(credentials, { region: world.region, kind: kindOf(settings.targetConfiguration) }),
        `The target ${name}`,
      );
      const caller = { by, signal: received.signal, ...(assertion && { assertion }) };
      return { out, values: await opaquely(() => valuesFor(o.identityOf(gateway.id), out.requests, name, caller)) };
    };
    if (agentcoreRuntime) {
      const operation = operationFor(received.method, path, agentcoreRuntime);
      await permitted(gateway, `${name}___${operation.action}`, received, by, id);
      const { runtime: operations, tell } = o;
      return invoked(received, operation, await runtimeCaller(), { runtime: agentcoreRuntime, operations, id, tell });
    }
    if (!passthrough) throw new AwsError('NotImplementedException', `This server does not execute the target ${name}.`);
    await permitted(gateway, await actionFor(target, received.method, path), received, by, id);
    const { out, values } = await had();
    return passedThrough(received, {
      path,
      bound,
      passthrough,
      authorize: (request) => opaquely(() => out.authorize(request, values, assertion)),
      forward: { clock: world.clock, signal: received.signal, debug: gateway.settings.exceptionLevel === 'DEBUG' },
    });

    /** As whom a runtime is called. */
    async function runtimeCaller(): Promise<Caller> {
      switch (credential?.credentialProviderType) {
        case 'CALLER_IAM_CREDENTIALS':
          return calling;
        case 'JWT_PASSTHROUGH':
          return token === undefined ? { kind: 'none' } : { kind: 'bearer', token };
        case 'OAUTH': {
          const [own] = Object.values((await had()).values);
          return { kind: 'bearer', token: own as string };
        }
        default:
          return roleOf(world, gateway.settings.roleArn);
      }
    }
  }

  return {
    answered,
    actions: async (gateway) => (await Promise.all(of(gateway).map(actionsOf))).flat(),
    changed: (gateway) => void policies.delete(gateway),
  };
}

/** In the members that AWS documents. */
const limited = ({ limitKey, metric, retryAfter }: Exceeded) =>
  because(
    new AwsError('ThrottlingException', 'Rate limit exceeded', {
      error: 'Rate limit exceeded',
      success: false,
      limitKey,
      metric,
      retryAfter,
    }),
    `The limit of ${limitKey} is reached.`,
  );

/** Why credentials cannot be had is told to the log alone. */
async function opaquely<T>(get: () => Promise<T>): Promise<T> {
  try {
    return await get();
  } catch (error) {
    if (error instanceof AwsError) throw error;
    throw because(new AwsError('InternalServerException', OPAQUE), exchange.getStore()?.because ?? messageOf(error));
  }
}
