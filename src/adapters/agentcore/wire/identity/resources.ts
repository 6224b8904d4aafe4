/** What Identity keeps: workload identities, and providers of credentials with their sealed secrets. */
import { randomBytes, randomUUID } from 'node:crypto';
import { arnOf, type World } from '../call.ts';
import { AwsError, refused } from '../codec/error.ts';

export interface Workload {
  name: string;
  /** Random: a workload of the same name that is made later is another one. */
  uid: string;
  returnUrls: readonly string[];
  createdAt: Date;
  updatedAt: Date;
  tags: Record<string, string>;
  /** The runtime that it was made for. The service gets the tokens of such a workload, and no one else can. */
  runtime?: string;
  /** Of a gateway: as long as no return URL is registered, that of a target is taken. */
  openReturns?: boolean;
}

export interface Provider {
  name: string;
  /** The ARN of its secret in Secrets Manager. It is an ARN alone: there is no Secrets Manager here. */
  secretArn: string;
  sealed: string;
  createdAt: Date;
  updatedAt: Date;
  tags: Record<string, string>;
}
export type ApiKeyProvider = Provider;

export const WORKLOAD = 'workload-identity';
export const API_KEY = 'api-key-provider';
export const OAUTH2 = 'oauth2-provider';
/** The token of a resource. Its parent is the workload. */
export const TOKEN = 'resource-token';
export const VAULT = 'token-vault';

/** `bedrock-agentcore`: as IAM's documentation, the samples and the schema of TagResource have it. `acps`: as the schema of the answers does. */
export type ProviderArns = 'acps' | 'bedrock-agentcore';

export const workloadArn = (world: World, name: string) => arnOf(world, `workload-identity-directory/default/workload-identity/${name}`);

const KINDS = { apikey: 'apikeycredentialprovider', oauth2: 'oauth2credentialprovider' } as const;

export const providerArn = ({ region, account }: World, service: ProviderArns, kind: keyof typeof KINDS, name: string) =>
  `arn:aws:${service}:${region}:${account}:token-vault/default/${KINDS[kind]}/${name}`;

/** Its end is random, as Secrets Manager has it. */
export const newSecretArn = ({ region, account }: World, kind: keyof typeof KINDS, name: string) =>
  `arn:aws:secretsmanager:${region}:${account}:secret:bedrock-agentcore-identity!default/${kind}/${name}-${randomBytes(3).toString('hex')}`;

/** What a secret is sealed about. */
export const aboutSecret = (kind: keyof typeof KINDS, name: string) => `the secret of the ${kind} provider ${name}`;

/** @throws AwsError `ResourceNotFoundException`. */
export function found<T>({ state }: World, kind: string, name: string, told: string): T {
  const value = state.get<T>(kind, name);
  if (value === undefined) throw new AwsError('ResourceNotFoundException', `${told} ${name} was not found.`);
  return value;
}

export const workloadOf = (world: World, name: string) => found<Workload>(world, WORKLOAD, name, 'Workload identity');
export const apiKeyOf = (world: World, name: string) => found<ApiKeyProvider>(world, API_KEY, name, 'Credential provider');

/** The sealed secret of a provider. @throws AwsError: it cannot be opened. */
export function secretOf<T>({ state }: World, kind: keyof typeof KINDS, { name, sealed }: Provider): T {
  const secret = state.sealing.open<T>(aboutSecret(kind, name), sealed);
  if (secret === undefined) throw new AwsError('DecryptionFailure', `The secret of the credential provider ${name} cannot be opened.`);
  return secret;
}

/** Where a secret is. Only what the service itself keeps can be used here. @throws AwsError `ValidationException`. */
export function managedSecret(secret: string | undefined, source: string | undefined, config: object | undefined, name: string): string {
  if (source === 'EXTERNAL' || config !== undefined)
    throw refused(`This server has no Secrets Manager: give ${name}, and leave out its source and configuration.`);
  if (secret === undefined) throw refused(`${name} is required for a secret that the service manages.`);
  return secret;
}

export function addWorkload({ state, clock }: World, given: Pick<Workload, 'name'> & Partial<Workload>): Workload {
  const at = new Date(clock.now());
  const workload: Workload = { uid: randomUUID(), returnUrls: [], createdAt: at, updatedAt: at, tags: {}, ...given };
  state.put(WORKLOAD, workload.name, workload);
  return workload;
}

/** The workload identity that comes with a runtime or a gateway. */
export const addWorkloadOf = (world: World, runtime: string, more: Pick<Workload, 'openReturns'> = {}): void =>
  void addWorkload(world, { name: runtime, runtime, ...more });

/** Which workload something is of. */
export interface OfWorkload {
  workload: string;
  uid: string;
}

/** Undefined where it was deleted, whether or not there is another one of its name. */
export function workloadIn({ state }: World, { workload, uid }: OfWorkload): Workload | undefined {
  const found = state.get<Workload>(WORKLOAD, workload);
  return found?.uid === uid ? found : undefined;
}

/** With what is kept for its users. */
export function removeWorkload({ state }: World, name: string): void {
  state.delete(WORKLOAD, name);
  for (const { id } of state.list<{ id: string }>(TOKEN, name)) state.delete(TOKEN, id);
}
