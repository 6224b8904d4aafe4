/** The control plane of Gateway: targets, and what an MCP server listed when it was synchronized. */
import { randomUUID } from 'node:crypto';
import { ToolError } from '../../../../errors.ts';
import { joining } from '../../../../flight.ts';
import type { ConsentNeeded, Token } from '../../../../ports/identity.ts';
import { messageOf } from '../../../../reliability/classify.ts';
import type { Operations, World } from '../call.ts';
import type { Output } from '../codec/encode.ts';
import { AwsError, refused } from '../codec/error.ts';
import {
  checkSettled,
  conflict,
  GATEWAY,
  type Gateway,
  gatewayArn,
  gatewayOf,
  type KeptDocument,
  type ListedTool,
  partsOf,
  putTarget,
  statusOf,
  TARGET,
  type Target,
  type TargetSettings,
  targetOf,
} from '../gateway/resources.ts';
import { asksAdministrator, checkTarget, typeOf } from '../gateway/target-configuration.ts';
import { type ConsentEnded, LIFETIME } from '../identity/consents.ts';
import type { PageRequest } from '../state.ts';
import { suffix, TAKES } from './resource.ts';

interface InGateway {
  gatewayIdentifier: string;
}
interface Named extends InGateway {
  targetId: string;
}
type CreateInput = TargetSettings & InGateway & { name?: string; clientToken?: string };
type UpdateInput = TargetSettings & Named & { name?: string };

/** A quota of AWS. */
const MOST = 100;

const UNSUCCESSFUL = { CREATING: 'FAILED', UPDATING: 'UPDATE_UNSUCCESSFUL', SYNCHRONIZING: 'SYNCHRONIZE_UNSUCCESSFUL' } as const;

/** What was found of a target. */
export interface Looked {
  /** What a server lists whose list is kept. */
  listed?: readonly ListedTool[];
  /** What was read for the target, and is kept until it is changed. */
  document?: KeptDocument;
}

/** What happens beside the state. */
export interface TargetEvents {
  /**
   * Looks at a target that was made or changed, as the service does in the time until it is ready. Rejects with what is told as the reason of the
   * failure.
   */
  looked(target: Target, signal: AbortSignal): Promise<Looked>;
  /** Asks for a token of an administrator, by the id that the gateway gives them. */
  asked(target: Target, administrator: string, signal: AbortSignal): Promise<Token | ConsentNeeded>;
  /** The targets of a gateway are others. */
  changed(gateway: string): void;
}

export interface GatewayTargets {
  operations: Operations;
  /** Goes on with the target that has waited for a consent. */
  consented: ConsentEnded;
  /** Goes on with what the server before this one had begun. */
  resume(): void;
  /** Ends what is under way. The targets stay as they are, for the next `resume`. */
  stop(): void;
}

export function gatewayTargets(world: World, { looked, asked, changed }: TargetEvents): GatewayTargets {
  const { state, clock } = world;
  const soon = () => clock.now() + TAKES;
  const date = () => new Date(clock.now());
  const join = joining<string, Output>();
  let stopping = new AbortController();

  function told(target: Target) {
    const { id, gateway, name, createdAt, updatedAt, settings, failed, lastSynchronizedAt, administrator } = target;
    const status = statusOf(world, target, failed);
    return {
      credentialProviderConfigurations: [],
      ...settings,
      gatewayArn: gatewayArn(world, gateway),
      targetId: id,
      name,
      createdAt,
      updatedAt,
      status,
      protocolType: settings.targetConfiguration.mcp ? 'MCP' : 'HTTP',
      ...(failed && status === failed.status && { statusReasons: failed.reasons }),
      ...(lastSynchronizedAt && { lastSynchronizedAt }),
      ...(administrator?.open && {
        authorizationData: { oauth2: { authorizationUrl: administrator.open.authorizationUrl, userId: administrator.userId } },
      }),
    };
  }

  function summary(target: Target) {
    const { targetId, name, status, createdAt, updatedAt, description, lastSynchronizedAt, authorizationData } = told(target) as Output;
    return { targetId, name, status, createdAt, updatedAt, description, lastSynchronizedAt, authorizationData, ...kindIn(target) };
  }

  /** Stores a change, and ends it when it has taken its time. */
  function put(target: Target, takes: number): Target {
    const { failed: _, ...changing } = target;
    const begun: Target = { ...changing, readyAt: clock.now() + takes, unsettled: true };
    putTarget(world, begun);
    clock.after(takes, () => end(begun));
    return begun;
  }

  function begin(target: Target): Target {
    const { targetConfiguration, credentialProviderConfigurations } = target.settings;
    if (!asksAdministrator(targetConfiguration, credentialProviderConfigurations)) return put(target, TAKES);
    // an id for each change: the one who consents to it need not be the one who did before
    return put({ ...target, administrator: { userId: randomUUID() } }, LIFETIME);
  }

  /** What is told of a change that was begun, when it is known whether an administrator has to consent. */
  async function begunWith(begun: Target): Promise<Output> {
    const { administrator } = begun;
    if (!administrator) return told(begun);
    const { signal } = stopping;
    try {
      const got = await asked(begun, administrator.userId, signal);
      const open = 'consentUrl' in got && { authorizationUrl: got.consentUrl, sessionUri: got.handle };
      if (still(begun)) put({ ...begun, administrator: { ...administrator, ...(open && { open }) } }, open ? LIFETIME : TAKES);
    } catch (error) {
      if (!signal.aborted) settle(begun, failure(begun, reasonOf(error)));
    }
    return told(targetOf(world, begun.gateway, begun.id));
  }

  /** The target, if its change goes on: it was neither deleted nor changed again since. */
  function still({ gateway, id, readyAt, administrator }: Target): Target | undefined {
    const now = state.get<Target>(TARGET, `${gateway}/${id}`);
    if (!now?.unsettled || now.goneAt !== undefined || now.readyAt !== readyAt) return undefined;
    return now.administrator?.open?.sessionUri === administrator?.open?.sessionUri ? now : undefined;
  }

  /** Stores what has become of a change. */
  function settle(begun: Target, result: Partial<Target>): void {
    const now = still(begun);
    if (!now) return;
    const { administrator: _, unsettled: __, ...settled } = now;
    putTarget(world, { ...settled, ...result });
    changed(begun.gateway);
  }

  const failure = ({ until }: Target, reason: string): Partial<Target> => ({
    readyAt: clock.now(),
    failed: { status: UNSUCCESSFUL[until], reasons: [reason.slice(0, 2_048)] },
  });

  async function end(begun: Target): Promise<void> {
    if (!still(begun)) return;
    if (begun.administrator?.open)
      return settle(begun, failure(begun, `The authorization was not completed within ${LIFETIME / 60_000} minutes.`));
    const { signal } = stopping;
    let result: Partial<Target>;
    try {
      const found = await looked(begun, signal);
      result = { ...found, ...(found.listed && { lastSynchronizedAt: date() }) };
    } catch (error) {
      result = failure(begun, reasonOf(error));
    }
    // the state may be closed; the next server looks again
    if (signal.aborted) return;
    settle(begun, result);
  }

  const consented: ConsentEnded = (sessionUri, status) => {
    const target = every().find(({ administrator }) => administrator?.open?.sessionUri === sessionUri);
    if (!target?.administrator) return;
    if (status === 'FAILED') return settle(target, failure(target, 'The administrator declined, or the authorization server refused.'));
    put({ ...target, administrator: { userId: target.administrator.userId } }, TAKES);
  };

  const every = () => state.list<Gateway>(GATEWAY).flatMap(({ id }) => state.list<Target>(TARGET, id));

  function checkName(gateway: string, name: string, own?: string): void {
    if (partsOf<Target>(world, TARGET, gateway).some((other) => other.name.toLowerCase() === name.toLowerCase() && other.id !== own))
      throw conflict(`A target with the name ${name} exists already in the gateway ${gateway}.`);
  }

  const operations: Operations = {
    async CreateGatewayTarget(input: CreateInput) {
      const { gatewayIdentifier, name: given, clientToken, ...settings } = input;
      const gateway = gatewayOf(world, gatewayIdentifier);
      checkTarget(settings.targetConfiguration, settings.credentialProviderConfigurations ?? [], gateway.settings);
      let begun: Target | undefined;
      // a retry is told what the first request was, also where an administrator has to consent
      const first = state.once('CreateGatewayTarget', clientToken, input, () => {
        checkSettled(world, `Gateway ${gateway.id}`, gateway);
        const here = partsOf<Target>(world, TARGET, gateway.id);
        if (here.length >= MOST) throw new AwsError('ServiceQuotaExceededException', `A gateway has at most ${MOST} targets.`);
        const id = suffix();
        const name = given ?? `target-${id}`;
        checkName(gateway.id, name);
        const at = date();
        begun = begin({
          id,
          gateway: gateway.id,
          name,
          settings,
          createdAt: at,
          updatedAt: at,
          until: 'CREATING',
          readyAt: soon(),
        });
        return told(begun);
      });
      return join(`${gateway.id}/${first.targetId}`, async () => {
        if (!begun) return first;
        const answer = await begunWith(begun);
        state.amend('CreateGatewayTarget', clientToken, answer);
        return answer;
      });
    },
    GetGatewayTarget: ({ gatewayIdentifier, targetId }: Named) => told(targetOf(world, gatewayIdentifier, targetId)),
    UpdateGatewayTarget(input: UpdateInput) {
      const { gatewayIdentifier, targetId, name, ...settings } = input;
      const before = targetOf(world, gatewayIdentifier, targetId);
      checkTarget(
        settings.targetConfiguration,
        settings.credentialProviderConfigurations ?? [],
        gatewayOf(world, gatewayIdentifier).settings,
      );
      checkNotBusy(before);
      if (name !== undefined) checkName(gatewayIdentifier, name, targetId);
      const target: Target = { ...before, name: name ?? before.name, settings, updatedAt: date(), until: 'UPDATING' };
      return begunWith(begin(target));
    },
    DeleteGatewayTarget({ gatewayIdentifier, targetId }: Named) {
      const target = targetOf(world, gatewayIdentifier, targetId);
      if (target.goneAt === undefined) {
        if (target.administrator?.open) throw busy(target);
        putTarget(world, { ...target, goneAt: soon() });
        changed(gatewayIdentifier);
      }
      return { gatewayArn: gatewayArn(world, gatewayIdentifier), targetId, status: 'DELETING' };
    },
    ListGatewayTargets({ gatewayIdentifier, ...request }: InGateway & PageRequest) {
      gatewayOf(world, gatewayIdentifier);
      const { items, nextToken } = state.page<Target>(TARGET, gatewayIdentifier, request);
      return { items: items.map(summary), nextToken };
    },
    async SynchronizeGatewayTargets({ gatewayIdentifier, targetIdList }: InGateway & { targetIdList: readonly string[] }) {
      gatewayOf(world, gatewayIdentifier);
      const targets = targetIdList.map((id) => targetOf(world, gatewayIdentifier, id));
      for (const target of targets) {
        const { mcpServer } = target.settings.targetConfiguration.mcp ?? {};
        if (!mcpServer) throw refused(`Target ${target.id} is not an MCP server, so it has nothing to synchronize.`);
        if (mcpServer.mcpToolSchema) throw refused(`Target ${target.id} has a static tool schema. Remove it to synchronize.`);
        checkNotBusy(target);
      }
      return { targets: await Promise.all(targets.map((target) => begunWith(begin({ ...target, until: 'SYNCHRONIZING' })))) };
    },
  };

  return {
    operations,
    consented,
    resume() {
      for (const target of every()) if (target.unsettled) clock.after(target.readyAt - clock.now(), () => end(target));
    },
    stop() {
      stopping.abort(new Error('the server stops'));
      // a server that was reset goes on
      stopping = new AbortController();
    },
  };

  /** A change that failed can be followed by another. */
  function checkNotBusy(target: Target): void {
    if (statusOf(world, target) !== 'READY') throw busy(target);
  }
  function busy(target: Target): AwsError {
    const until = target.administrator?.open ? 'its authorization was completed or has failed' : 'it is READY';
    return conflict(`Gateway target ${target.id} is ${statusOf(world, target)}. Wait until ${until}.`);
  }
}

/** Why a target failed, for its owner: what a client of the gateway is not told. */
const reasonOf = (error: unknown): string => messageOf(error instanceof ToolError && error.cause instanceof AwsError ? error.cause : error);

function kindIn({ settings: { targetConfiguration } }: Target) {
  const { mcpServer } = targetConfiguration.mcp ?? {};
  return {
    targetType: typeOf(targetConfiguration),
    ...(mcpServer && { listingMode: mcpServer.listingMode ?? 'DEFAULT' }),
    ...(mcpServer?.resourcePriority !== undefined && { resourcePriority: mcpServer.resourcePriority }),
  };
}
