/** The targets of HTTP of a gateway: who may call them, and with what credentials. Nothing of a request or an answer is translated. */
import type { Identity } from '../../../../../ports/identity.ts';
import type { Policy } from '../../../../../ports/policy.ts';
import type { Principal } from '../../../../../ports/principal.ts';
import { messageOf } from '../../../../../reliability/classify.ts';
import { type Outgoing, outbound } from '../../../../gateway/outbound/auth.ts';
import type { Exceeded } from '../../../../gateway/rate-limits.ts';
import type { DescribedTool } from '../../../../policy/tools.ts';
import { SESSION } from '../../../headers.ts';
import type { Received } from '../../answer.ts';
import type { Bound } from '../../bindings.ts';
import type { Caller, Operations, World } from '../../call.ts';
import { AwsError, because, type Encoded } from '../../codec/error.ts';
import type { Admitted } from '../admission.ts';
import { outboundOf, valuesFor } from '../credentials.ts';
import { type Exchange, exchange, OPAQUE } from '../exchange.ts';
import { type Gateway, isServing, partsOf, RULE, statusOf, TARGET, type Target } from '../resources.ts';
import { type Routable, type Rule, ruleFor, targetOfRule, targetsOfRule } from '../rules.ts';
import { stickiness } from '../stickiness.ts';
import { kindOf, type Passthrough, type RuntimeTarget } from '../target-configuration.ts';
import { actionFor, actionsOf, inputOf } from './actions.ts';
import { forModel, INFERENCE, inferenceError, listed, providerOf } from './inference.ts';
import { addressOf, passedThrough, urlOf } from './passthrough.ts';
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
  /** Forgets the choices of sessions. */
  clear(): void;
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

const isHttp = ({ settings }: Target) => settings.targetConfiguration.mcp === undefined;

/** A request for a target that is found. */
interface Asked extends Omit<HttpCall, 'target' | 'of'> {
  readonly received: Received;
  readonly target: Target;
  /** The id of the request. */
  readonly id: string;
}

export function httpTargets(o: HttpWorld): HttpTargets {
  const { world, bound } = o;
  const policies = new Map<string, Policy | undefined>();
  const sticky = stickiness(world.clock);

  function policyOf(gateway: Gateway): Policy | undefined {
    if (!policies.has(gateway.id)) policies.set(gateway.id, o.policyOf(gateway));
    return policies.get(gateway.id);
  }

  const of = (gateway: Gateway) =>
    partsOf<Target>(world, TARGET, gateway.id).filter((target) => isHttp(target) && target.goneAt === undefined);
  const providers = (gateway: Gateway) => of(gateway).filter((target) => providerOf(target) !== undefined && isServing(world, target));

  function found(gateway: Gateway, name: string): Target {
    const target = of(gateway).find((one) => one.name === name && !providerOf(one));
    if (!target) throw new AwsError('UnknownOperationException', `Gateway ${gateway.id} has no target of http with the name ${name}.`);
    if (!isServing(world, target))
      throw new AwsError('ResourceNotFoundException', `The target ${name} is ${statusOf(world, target, target.failed)}.`);
    return target;
  }

  /** @param tool asked only where a policy decides: to find it can need the schema of the target. @throws AwsError `AccessDeniedException`. */
  async function permitted({ gateway, target, received, admitted, id }: Asked, tool: () => string | Promise<string>): Promise<void> {
    const policy = policyOf(gateway);
    if (!policy) return;
    const ruling = await policy.decide({
      by: admitted.by,
      agent: 'gateway',
      tool: await tool(),
      input: inputOf(received.body),
      effect: 'once',
      context: undefined,
      runId: id,
      session: undefined,
    });
    if (!('allow' in ruling && ruling.allow)) {
      const why = ruling.reason ?? 'A policy denies the request.';
      throw providerOf(target)
        ? inferenceError('AccessDeniedException', 'permission_error', why)
        : new AwsError('AccessDeniedException', why);
    }
  }

  /** The credentials of a target, and how they are sent. */
  async function credentialsOf({ gateway, target, admitted, received }: Asked) {
    const { settings, name } = target;
    const all = settings.credentialProviderConfigurations ?? [];
    const out = outbound(outboundOf(all, { region: world.region, kind: kindOf(settings.targetConfiguration) }), `The target ${name}`);
    const { by, token } = admitted;
    const assertion = token === undefined ? undefined : { type: 'jwt', token };
    const caller = { by, signal: received.signal, ...(assertion && { assertion }) };
    const values = await opaquely(() => valuesFor(o.identityOf(gateway.id), out.requests, name, caller));
    return { values, authorize: (request: Outgoing) => opaquely(() => out.authorize(request, values, assertion)) };
  }

  async function toRuntime(asked: Asked, runtime: RuntimeTarget): Promise<Encoded> {
    const { received, target, path, id } = asked;
    const operation = operationFor(received.method, path, runtime);
    await permitted(asked, () => `${target.name}___${operation.action}`);
    return invoked(received, operation, await runtimeCaller(asked), { runtime, operations: o.runtime, id, tell: o.tell });
  }

  /** As whom a runtime is called. */
  async function runtimeCaller(asked: Asked): Promise<Caller> {
    const { gateway, target, calling, admitted } = asked;
    const [credential] = target.settings.credentialProviderConfigurations ?? [];
    switch (credential?.credentialProviderType) {
      case 'CALLER_IAM_CREDENTIALS':
        return calling;
      case 'JWT_PASSTHROUGH':
        return admitted.token === undefined ? { kind: 'none' } : { kind: 'bearer', token: admitted.token };
      case 'OAUTH': {
        const [token] = Object.values((await credentialsOf(asked)).values);
        return { kind: 'bearer', token: token as string };
      }
      default:
        return roleOf(world, gateway.settings.roleArn);
    }
  }

  async function toService(asked: Asked, action: () => string | Promise<string>, url: URL): Promise<Encoded> {
    const { gateway, received } = asked;
    await permitted(asked, action);
    const { authorize } = await credentialsOf(asked);
    const debug = gateway.settings.exceptionLevel === 'DEBUG';
    return passedThrough(received, url, { authorize, forward: { clock: world.clock, signal: received.signal, debug } });
  }

  /** What is done for a request, and the target that its limits are about. */
  async function planned(received: Received, { gateway, target: name, path, calling, admitted, of: { id } }: HttpCall) {
    const asked = (target: Target): Asked => ({ gateway, path, calling, admitted, received, target, id });
    const models = name === INFERENCE ? providers(gateway) : [];
    if (models.length > 0) {
      const { method, body } = received;
      const list = listed(method, path, models);
      if (list) return { act: async () => list };
      const { target, providerPath, endpoint, ...sent } = forModel(models, { method, path, body });
      const url = addressOf(bound.url(endpoint), providerPath);
      // policies see the model by the name that the provider gets: clients have several for it
      const changed = { ...asked(target), received: { ...received, body: sent.body } };
      return { target, act: () => toService(changed, () => `${target.name}___POST:${path}`, url) };
    }
    const { target, keep } = routed(received, gateway, { target: name, path, principal: calling.kind === 'aws' ? calling.arn : undefined });
    const { agentcoreRuntime, passthrough } = target.settings.targetConfiguration.http ?? {};
    if (agentcoreRuntime) return { target, act: async () => keep(await toRuntime(asked(target), agentcoreRuntime)) };
    const url = urlOf(bound, passthrough as Passthrough, { path, query: received.query });
    const action = () => actionFor(target, received.method, path);
    return { target, act: async () => keep(await toService(asked(target), action, url)) };
  }

  /** The target of a request: by the first rule that says where it goes, else by its path. `keep` remembers a choice for the session, once it is answered. */
  function routed({ headers }: Received, gateway: Gateway, asked: Routable): { target: Target; keep(answer: Encoded): Encoded } {
    const now = world.clock.now();
    const rules = partsOf<Rule>(world, RULE, gateway.id).filter(
      ({ goneAt, until, readyAt }) => goneAt === undefined && (until !== 'CREATING' || now >= readyAt),
    );
    const rule = ruleFor(rules, asked);
    if (!rule) return { target: found(gateway, asked.target), keep: (answer) => answer };
    const names = targetsOfRule(rule);
    const choices = of(gateway).filter((target) => names.includes(target.name));
    const known = sticky.chosen(rule.id, headers, choices);
    const target = found(gateway, known ?? targetOfRule(rule, Math.random()));
    return {
      target,
      keep(answer) {
        // a runtime tells the id of a session that it has begun
        const { [SESSION]: begun } = answer.headers;
        sticky.keep(rule.id, { ...(typeof begun === 'string' && { [SESSION]: begun }), ...headers }, target);
        return answer;
      },
    };
  }

  return {
    async answered(received, call) {
      const { gateway, admitted } = call;
      const { target, act } = await planned(received, call);
      if ((gateway.settings.interceptorConfigurations ?? []).length > 0)
        throw new AwsError('NotImplementedException', 'This server does not execute interceptors in front of targets of http.');
      const exceeded = target && o.exceeded(gateway, target.name, admitted.by);
      if (exceeded) throw limited(exceeded);
      return exchange.run(call.of, act);
    },
    actions: async (gateway) => (await Promise.all(of(gateway).map(actionsOf))).flat(),
    changed: (gateway) => void policies.delete(gateway),
    clear: () => sticky.clear(),
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
