/** What the control plane of Policy keeps: policy engines, and their policies. */
import type { Finding } from '../../../policy/findings.ts';
import { arnOf, type World } from '../call.ts';
import { AwsError } from '../codec/error.ts';

/** What a change of a resource is called until it has taken effect. */
interface Changing {
  createdAt: Date;
  updatedAt: Date;
  until: 'CREATING' | 'UPDATING';
  readyAt: number;
  goneAt?: number;
}

export interface PolicyEngine extends Changing {
  id: string;
  name: string;
  description?: string;
  encryptionKeyArn?: string;
  tags: Record<string, string>;
}

/** A union: one member is set. */
export interface PolicyDefinition {
  cedar?: { statement: string };
  policy?: { statement: string };
  policyGeneration?: { policyGenerationId: string; policyGenerationAssetId: string };
}

/** What of a policy a gateway follows. */
interface Rule {
  statement: string;
  mode: 'ACTIVE' | 'LOG_ONLY';
}

export interface StoredPolicy extends Changing {
  id: string;
  engine: string;
  name: string;
  description?: string;
  definition: PolicyDefinition;
  /** As it was asked for, like `definition`: a change that fails keeps both, and neither is in force. */
  enforcementMode: Rule['mode'];
  /** Why the last change failed. */
  reasons: readonly string[];
  /** What is in force from this time on, and what is until then; undefined: nothing was valid so far. */
  valid?: Rule & { from: number; before?: Rule };
}

/** What is generated from a text. With its assets it is removed when it expires, or with its engine. */
export interface PolicyGeneration {
  id: string;
  engine: string;
  name: string;
  /** The gateway that the policies are for. */
  gateway: string;
  text: string;
  createdAt: Date;
  updatedAt: Date;
  status: 'GENERATING' | 'GENERATED' | 'GENERATE_FAILED';
  /** Why it failed. */
  reasons: readonly string[];
  /** How many. */
  assets: number;
  /** When the model is asked. */
  readyAt: number;
  goneAt?: number;
}

export interface GeneratedFinding {
  type: Finding['type'] | 'VALID' | 'NOT_TRANSLATABLE';
  /** Undefined: the policy is valid. */
  description?: string;
}

/** A policy that a model wrote, and what there is to say about it. */
export interface GeneratedAsset {
  id: string;
  /** Undefined: the model could not write one. */
  definition?: { cedar: { statement: string } };
  /** The part of the text that it is from. */
  rawTextFragment: string;
  findings: readonly GeneratedFinding[];
}

export const ENGINE = 'policy-engine';
export const POLICY = 'policy';
export const GENERATION = 'policy-generation';
export const ASSET = 'policy-generation-asset';

export const engineArn = (world: World, id: string) => arnOf(world, `policy-engine/${id}`);
export const policyArn = (world: World, { engine, id }: StoredPolicy) => arnOf(world, `policy-engine/${engine}/policy/${id}`);
export const generationArn = (world: World, { engine, id }: PolicyGeneration) =>
  arnOf(world, `policy-engine/${engine}/policy-generation/${id}`);
export const conflict = (message: string) => new AwsError('ConflictException', message);

/** @throws AwsError `ResourceNotFoundException`. */
export function engineOf(world: World, id: string): PolicyEngine {
  const engine = world.state.get<PolicyEngine>(ENGINE, id);
  if (!engine) throw new AwsError('ResourceNotFoundException', `Policy engine ${id} was not found.`);
  return engine;
}

/** Oldest first. */
export const policiesOf = ({ state }: World, engine: string): StoredPolicy[] => state.list<StoredPolicy>(POLICY, engine);

/** @throws AwsError `ResourceNotFoundException`. */
export function policyOfEngine(world: World, engine: string, id: string): StoredPolicy {
  engineOf(world, engine);
  const policy = world.state.get<StoredPolicy>(POLICY, `${engine}/${id}`);
  if (!policy) throw new AwsError('ResourceNotFoundException', `Policy ${id} was not found.`);
  return policy;
}

export const putPolicy = ({ state }: World, policy: StoredPolicy): void =>
  state.put(POLICY, `${policy.engine}/${policy.id}`, policy, policy.engine);

/** Oldest first. */
export const generationsOf = ({ state }: World, engine: string): PolicyGeneration[] => state.list<PolicyGeneration>(GENERATION, engine);

/** @throws AwsError `ResourceNotFoundException`. */
export function generationOf(world: World, engine: string, id: string): PolicyGeneration {
  engineOf(world, engine);
  const generation = world.state.get<PolicyGeneration>(GENERATION, `${engine}/${id}`);
  if (!generation) throw new AwsError('ResourceNotFoundException', `Policy generation ${id} was not found.`);
  return generation;
}

export const putGeneration = ({ state }: World, generation: PolicyGeneration): void =>
  state.put(GENERATION, `${generation.engine}/${generation.id}`, generation, generation.engine);

/** @throws AwsError `ResourceNotFoundException`. */
export function assetOf(world: World, engine: string, generation: string, id: string): GeneratedAsset {
  generationOf(world, engine, generation);
  const asset = world.state.get<GeneratedAsset>(ASSET, `${engine}/${generation}/${id}`);
  if (!asset) throw new AwsError('ResourceNotFoundException', `Policy generation asset ${id} was not found.`);
  return asset;
}

/** The status by the clock. A failure is told when the change is over. */
export function statusOf({ clock }: World, { goneAt, readyAt, until }: Changing, failed = false): string {
  if (goneAt !== undefined) return 'DELETING';
  if (clock.now() < readyAt) return until;
  return failed ? (until === 'CREATING' ? 'CREATE_FAILED' : 'UPDATE_FAILED') : 'ACTIVE';
}

/** @throws AwsError `ConflictException` while an earlier change goes on. */
export function checkSettled(world: World, what: string, resource: Changing): void {
  const status = statusOf(world, resource);
  if (status !== 'ACTIVE') throw conflict(`${what} is ${status}. Wait until the change is over.`);
}
