/** Which program a call of the data plane is for, and whether its caller may call it. */
import { ToolError } from '../../../../errors.ts';
import type { JwtAuthorizer } from '../../../../server/authorizer.ts';
import type { Wanted } from '../../sessions/session.ts';
import { authorizers } from '../authorizers.ts';
import type { Bound } from '../bindings.ts';
import type { Call, Caller, World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import { DEFAULT, endpointOf, lifecycleOf, type Runtime, runtimeArn, runtimeOf, type Version, versionOf } from './runtime-resources.ts';

/** What an operation names. */
export interface Named {
  agentRuntimeArn: string;
  qualifier?: string | undefined;
  accountId?: string | undefined;
}

export interface Target {
  readonly runtime: Runtime;
  readonly version: Version;
  readonly endpoint: string;
  readonly arn: string;
  /** The subject of the caller's token. */
  readonly owner: string | undefined;
  /** The caller's token, for the workload token of the runtime. */
  readonly userToken: string | undefined;
}

export interface Targets {
  /** @throws AwsError for a runtime that is not there, and for a caller that may not call it. */
  of(named: Named, caller: Caller, host: string): Promise<Target>;
  /** The protected-resource document of a runtime; undefined for one without tokens. @throws AwsError `ResourceNotFoundException`. */
  metadata(named: Named, host: string): object | undefined;
  /**
   * What a call of the runtime runs, or starts.
   * @throws AwsError `RuntimeClientError` if nothing is bound to the image of the runtime, `ResourceNotFoundException` if it is being deleted.
   */
  wanted(target: Target, id: string, host: string): Wanted;
}

const denied = (message: string) => new AwsError('AccessDeniedException', message);
const notFound = (what: string) => new AwsError('ResourceNotFoundException', `${what} was not found.`);

/** The URL at which a runtime is invoked. @param host of the request, with its port. */
const urlOf = (host: string, arn: string) => `http://${host}/runtimes/${encodeURIComponent(arn)}/invocations`;

export function targets(world: World, bound: Bound): Targets {
  const authorizer = authorizers(world);

  function resolved({ agentRuntimeArn, qualifier = DEFAULT, accountId }: Named) {
    const id = idOf(world, agentRuntimeArn, accountId);
    const runtime = runtimeOf(world, id);
    const endpoint = endpointOf(world, runtime, qualifier);
    const version = versionOf(world, runtime, endpoint.version);
    return { runtime, version, endpoint, arn: runtimeArn(world, id) };
  }

  /** undefined: the callers sign. */
  const authorizerFor = ({ id }: Runtime, { version, configuration }: Version) =>
    authorizer(`${id}/${version}`, configuration.authorizerConfiguration?.customJWTAuthorizer);

  return {
    async of(named, caller, host) {
      // a caller without a signature or a token learns from here only where to get a token
      const { runtime, version, endpoint, arn } = resolved(named);
      const owner = await admitted(caller, authorizerFor(runtime, version), () => metadataUrl(urlOf(host, arn), named.qualifier));
      if (world.clock.now() < endpoint.readyAt && endpoint.createdAt.getTime() === endpoint.updatedAt.getTime())
        throw new AwsError('RetryableConflictException', `The endpoint ${endpoint.name} of ${runtime.id} is being created.`);
      const userToken = caller.kind === 'bearer' ? caller.token : undefined;
      return { runtime, version, endpoint: endpoint.name, arn, owner, userToken };
    },
    metadata(named, host) {
      const { runtime, version, arn } = resolved(named);
      return authorizerFor(runtime, version)?.metadata(urlOf(host, arn));
    },
    wanted({ runtime, version, endpoint, arn, owner }, id, host) {
      // asked right before a session starts: the deletion ends those that have started until then
      if (endpointOf(world, runtime, endpoint).goneAt !== undefined)
        throw new AwsError('ResourceNotFoundException', `The endpoint ${endpoint} of ${runtime.id} is DELETING. Call another one.`);
      const { configuration } = version;
      const { agentRuntimeArtifact, environmentVariables, protocolConfiguration } = configuration;
      const uri = agentRuntimeArtifact.containerConfiguration?.containerUri;
      const program = uri === undefined ? undefined : bound.container(uri);
      if (!program)
        throw new AwsError(
          'RuntimeClientError',
          uri === undefined
            ? 'This server runs containers that are bound to a command, and no code from S3.'
            : `Nothing is bound to this image. Add "container:${uri}" with a command to the bindings.`,
        );
      const { idleRuntimeSessionTimeout: idle, maxLifetime: lifetime } = lifecycleOf(version);
      const protocol = protocolConfiguration?.serverProtocol ?? 'HTTP';
      const env = {
        ...world.env(),
        OTEL_RESOURCE_ATTRIBUTES: `cloud.resource_id=${arn}`,
        ...(protocol === 'A2A' && { AGENTCORE_RUNTIME_URL: `${urlOf(host, arn)}/` }),
        ...program.env,
        ...environmentVariables,
      };
      return {
        runtime: `${runtime.id}/${endpoint}`,
        id,
        owner,
        protocol,
        program: { command: program.command, cwd: program.cwd, env },
        idle,
        lifetime,
      };
    },
  };
}

function idOf({ region, account }: World, name: string, accountId: string | undefined): string {
  if (!name.startsWith('arn:')) {
    if (accountId === undefined)
      throw new AwsError('ValidationException', 'The id of a runtime instead of its ARN needs accountId.', {
        reason: 'FieldValidationFailed',
      });
    if (accountId !== account) throw notFound(`Agent runtime ${name}`);
    return name;
  }
  const prefix = `arn:aws:bedrock-agentcore:${region}:${account}:runtime/`;
  if (!name.startsWith(prefix)) throw notFound(`Agent runtime ${name}`);
  return name.slice(prefix.length);
}

const metadataUrl = (url: string, qualifier: string | undefined) =>
  `${url}/.well-known/oauth-protected-resource${qualifier === undefined ? '' : `?qualifier=${encodeURIComponent(qualifier)}`}`;

/** @returns the owner of what the caller starts; undefined for one that signs. */
async function admitted(caller: Caller, authorizer: JwtAuthorizer | undefined, metadata: () => string): Promise<string | undefined> {
  if (!authorizer) {
    if (caller.kind === 'aws') return undefined;
    if (caller.kind === 'bearer') throw denied('This runtime takes signed requests, and no token.');
    throw new AwsError('MissingAuthenticationTokenException', 'Missing Authentication Token');
  }
  const challenged = (message: string) =>
    new AwsError('UnauthorizedException', message, {}, { 'www-authenticate': authorizer.challenge(metadata()) });
  if (caller.kind === 'none') throw challenged('Missing Authentication Token');
  if (caller.kind === 'aws') throw denied('This runtime takes a token, and no signed requests.');
  let checked: Awaited<ReturnType<JwtAuthorizer['check']>>;
  try {
    checked = await authorizer.check(caller.token);
  } catch (cause) {
    throw new AwsError('InternalServerException', `The issuer of the tokens cannot be asked: ${(cause as Error).message}.`);
  }
  if (checked.ok) return JSON.stringify([checked.claims.iss, checked.by.id]);
  if (checked.reason === 'token' || checked.reason === 'expired') throw challenged(`The token is refused: ${checked.message}.`);
  throw denied(`The token is refused: ${checked.message}.`);
}

const NAMES: Readonly<Record<string, string>> = {
  SESSION_QUOTA: 'ServiceQuotaExceededException',
  SESSION_CONFLICT: 'RetryableConflictException',
  SESSION_DENIED: 'AccessDeniedException',
  SESSION_FAILED: 'RuntimeClientError',
};

/** A failure of a session as the service tells it. */
export function sessionError(error: unknown): unknown {
  const name = ToolError.is(error) ? NAMES[error.code] : undefined;
  return name === undefined ? error : new AwsError(name, (error as Error).message);
}

/** Of a request, with its port. */
export const hostOf = ({ headers }: Pick<Call, 'headers'>): string => String(headers.host ?? 'localhost');

/** What a path and its query name. @throws AwsError `ValidationException`. */
export function namedOf(label: string, query: URLSearchParams): Named {
  const [qualifier, accountId] = [query.get('qualifier') ?? undefined, query.get('accountId') ?? undefined];
  try {
    return { agentRuntimeArn: decodeURIComponent(label), qualifier, accountId };
  } catch {
    throw new AwsError('ValidationException', 'The path is not encoded.', { reason: 'CannotParse' });
  }
}
