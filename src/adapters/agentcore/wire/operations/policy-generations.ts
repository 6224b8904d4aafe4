/** The control plane of Policy: policies that are generated from a text, by the model that is bound as `model:default`. */
import { CancelSource } from '../../../../reliability/cancel.ts';
import { messageOf } from '../../../../reliability/classify.ts';
import { signalled, unlessHalted } from '../../../../reliability/patience.ts';
import type { Bound } from '../bindings.ts';
import type { Operations, World } from '../call.ts';
import { AwsError, refused } from '../codec/error.ts';
import { GATEWAY, type Gateway, gatewayArn } from '../gateway/resources.ts';
import { boundModels, DEFAULT_MODEL } from '../models.ts';
import { hasUsers, type ToolsOf } from '../policy/enforcing.ts';
import { generated } from '../policy/generating.ts';
import {
  ASSET,
  ENGINE,
  engineOf,
  GENERATION,
  type GeneratedAsset,
  generationArn,
  generationOf,
  generationsOf,
  type PolicyGeneration,
  putGeneration,
} from '../policy/resources.ts';
import type { PageRequest } from '../state.ts';
import { checkStays, suffix, TAKES } from './resource.ts';

interface InEngine {
  policyEngineId: string;
}
interface Named extends InEngine {
  policyGenerationId: string;
}
type StartInput = InEngine & { name: string; resource: { arn: string }; content: { rawText: string }; clientToken?: string };

/** Milliseconds in which the model must have answered, by the real time. */
const PATIENCE = 120_000;
/** Milliseconds until generated policies are removed: 7 days. */
const EXPIRE = 604_800_000;
/** A quota of AWS, of the policies that are generated in these days. A generation counts as one policy at least. */
const MOST = 50_000;
/** Assets of a page, where the request does not say. */
const PAGE = 10;

export interface PolicyGenerations {
  operations: Operations;
  /** Goes on with what the server before this one had begun: the model is asked again. */
  resume(): void;
  /** Ends what is under way. The generations stay as they are, for the next `resume`. */
  stop(): void;
}

export function policyGenerations(world: World, bound: Bound, toolsOf: ToolsOf): PolicyGenerations {
  const { state, clock } = world;
  const date = () => new Date(clock.now());
  const model = boundModels(bound);
  let stopping = new AbortController();

  function summary(generation: PolicyGeneration) {
    const { id, engine, name, gateway, createdAt, updatedAt, status } = generation;
    return {
      policyEngineId: engine,
      policyGenerationId: id,
      name,
      policyGenerationArn: generationArn(world, generation),
      resource: { arn: gateway },
      createdAt,
      updatedAt,
      status,
    };
  }
  const told = (generation: PolicyGeneration) => ({ ...summary(generation), statusReasons: generation.reasons });

  const gatewayAt = (arn: string) =>
    state.list<Gateway>(GATEWAY).find(({ id, goneAt }) => goneAt === undefined && gatewayArn(world, id) === arn);

  function page<T>({ policyEngineId, ...request }: PageRequest & InEngine, each: (generation: PolicyGeneration) => T) {
    engineOf(world, policyEngineId);
    const { items, nextToken } = state.page<PolicyGeneration>(GENERATION, policyEngineId, request);
    return { policyGenerations: items.map(each), nextToken };
  }

  /** The generation, if it goes on: its engine was not deleted since. */
  function still({ engine, id }: PolicyGeneration): PolicyGeneration | undefined {
    const now = state.get<PolicyGeneration>(GENERATION, `${engine}/${id}`);
    return now?.status === 'GENERATING' && now.goneAt === undefined ? now : undefined;
  }

  async function assetsFor({ gateway: arn, text }: PolicyGeneration, halted: CancelSource): Promise<Omit<GeneratedAsset, 'id'>[]> {
    const asked = model(DEFAULT_MODEL);
    const binding = `"model:${DEFAULT_MODEL}"`;
    if (!asked)
      throw new Error(`no model is bound. Add ${binding} with a module and its export, such as "./models.ts#small", to the bindings.`);
    const gateway = gatewayAt(arn);
    if (!gateway) throw new Error(`the gateway ${arn} was not found.`);
    const about = { arn, tools: await unlessHalted(toolsOf(gateway), halted) };
    const callers = hasUsers(gateway) ? 'AgentCore::OAuthUser' : 'AgentCore::IamEntity';
    return signalled(
      (signal) => generated(asked, { text, callers, about }, signal),
      PATIENCE,
      `the model of the binding ${binding}`,
      halted,
    );
  }

  /** Asks the model, and stores what has become of it. */
  async function end(begun: PolicyGeneration): Promise<void> {
    if (!still(begun)) return;
    const { signal } = stopping;
    const { source, unlink } = CancelSource.follow(signal);
    let assets: Omit<GeneratedAsset, 'id'>[] = [];
    let reasons: string[] = [];
    try {
      assets = await assetsFor(begun, source);
    } catch (error) {
      reasons = [`No policy was generated: ${messageOf(error)}`.slice(0, 2_048)];
    } finally {
      unlink();
    }
    // the state may be closed; the next server asks again
    if (signal.aborted) return;
    // with its assets, or not at all
    state.once('', undefined, undefined, () => {
      const now = still(begun);
      if (!now) return;
      const goneAt = clock.now() + EXPIRE;
      const parent = `${now.engine}/${now.id}`;
      for (const asset of assets) {
        const id = `asset-${suffix().toLowerCase()}`;
        state.put(ASSET, `${parent}/${id}`, { ...asset, id, goneAt }, parent);
      }
      const status = reasons.length > 0 ? 'GENERATE_FAILED' : 'GENERATED';
      putGeneration(world, { ...now, status, reasons, assets: assets.length, updatedAt: date(), goneAt });
    });
  }

  const operations: Operations = {
    StartPolicyGeneration(input: StartInput) {
      const { policyEngineId: engine, name, clientToken } = input;
      const { arn } = input.resource;
      const { rawText: text } = input.content;
      engineOf(world, engine);
      return state.once(`StartPolicyGeneration ${engine}`, clientToken, input, () => {
        checkStays(`Policy engine ${engine}`, engineOf(world, engine));
        if (!gatewayAt(arn)) throw new AwsError('ResourceNotFoundException', `The gateway ${arn} was not found.`);
        const made = generationsOf(world, engine).reduce((sum, { assets }) => sum + Math.max(assets, 1), 0);
        if (made >= MOST)
          throw new AwsError('ServiceQuotaExceededException', `${MOST} policies of a policy engine are generated in 7 days at most.`);
        const at = date();
        const generation: PolicyGeneration = {
          id: `${name}-${suffix().toLowerCase()}`,
          engine,
          name,
          gateway: arn,
          text,
          createdAt: at,
          updatedAt: at,
          status: 'GENERATING',
          reasons: [],
          assets: 0,
          readyAt: clock.now() + TAKES,
        };
        putGeneration(world, generation);
        clock.after(TAKES, () => end(generation));
        return told(generation);
      });
    },
    GetPolicyGeneration: ({ policyEngineId, policyGenerationId }: Named) => told(generationOf(world, policyEngineId, policyGenerationId)),
    GetPolicyGenerationSummary: ({ policyEngineId, policyGenerationId }: Named) =>
      summary(generationOf(world, policyEngineId, policyGenerationId)),
    ListPolicyGenerations: (input: PageRequest & InEngine) => page(input, told),
    ListPolicyGenerationSummaries: (input: PageRequest & InEngine) => page(input, summary),
    ListPolicyGenerationAssets({ policyEngineId: engine, policyGenerationId: id, maxResults = PAGE, nextToken }: PageRequest & Named) {
      if (generationOf(world, engine, id).status === 'GENERATING')
        throw refused(`Policy generation ${id} is GENERATING. Wait until it is GENERATED.`);
      const { items, nextToken: next } = state.page<GeneratedAsset>(ASSET, `${engine}/${id}`, { maxResults, nextToken });
      const assets = items.map(({ id: policyGenerationAssetId, definition, rawTextFragment, findings }) => ({
        policyGenerationAssetId,
        rawTextFragment,
        findings,
        ...(definition && { definition }),
      }));
      return { policyGenerationAssets: assets, nextToken: next };
    },
  };

  return {
    operations,
    resume() {
      for (const generation of state.list<{ id: string }>(ENGINE).flatMap(({ id }) => generationsOf(world, id)))
        if (generation.status === 'GENERATING') clock.after(generation.readyAt - clock.now(), () => end(generation));
    },
    stop() {
      stopping.abort(new Error('the server stops'));
      // a server that was reset goes on
      stopping = new AbortController();
    },
  };
}
