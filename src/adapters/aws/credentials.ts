/** Temporary keys of a role as a credential of tools, for one user, run and tool at a time. */

import type { AssumeRoleCommandInput, STSClient } from '@aws-sdk/client-sts';
import { invalid, RondoError } from '../../errors.ts';
import { joining, lazy } from '../../flight.ts';
import type { JsonObject } from '../../json.ts';
import { checkOptions, plain } from '../../options.ts';
import type { CredentialRequest, Identity, Occasion, Token } from '../../ports/identity.ts';
import { explained } from './errors.ts';
import { type AwsKeys, isText, textOf } from './keys.ts';
import { sessionName, tagsOf } from './session-tags.ts';

export interface AwsCredentialsOptions {
  /** The role that is assumed: `arn:aws:iam::123456789012:role/reports`. Its trust policy allows `sts:AssumeRole` and `sts:TagSession`. */
  roleArn: string;
  /** Seconds that the keys last: 900 to 43,200. Default 3,600. */
  durationSeconds?: number;
  /** A policy of IAM, as an object or as JSON. The keys allow only what both the role and the policy allow. */
  policy?: string | JsonObject;
  /** What the owner of a role in another account asks for. */
  externalId?: string;
  /** Default: what the AWS SDK finds. */
  region?: string;
  /** Default: the endpoint of STS in the region. */
  endpoint?: string;
  /** Your own client, for a proxy or other credentials of the process. */
  client?: STSClient;
  /** Epoch milliseconds. Default `Date.now`. */
  now?: () => number;
}

const EXAMPLES = {
  roleArn: "roleArn: 'arn:aws:iam::123456789012:role/reports'",
  durationSeconds: 'durationSeconds: 3_600',
  policy: "policy: { Version: '2012-10-17', Statement: [] }",
  externalId: "externalId: 'acme'",
  region: "region: 'eu-central-1'",
  endpoint: "endpoint: 'http://127.0.0.1:4566'",
  client: 'client: new STSClient({})',
  now: 'now',
} satisfies { [K in keyof AwsCredentialsOptions]-?: string };

const WHERE = 'awsCredentials()';

/** Milliseconds before the end of keys when others are got. */
const MARGIN = 300_000;
/** Milliseconds that keys must still last to be handed out when STS gives no others. The engine asks for half of it. */
const USABLE = 60_000;
/** Milliseconds for all attempts at STS. It is shorter than what the engine waits, so that the error says why. */
const PATIENCE = 20_000;
/** Keys that are held at a time. The oldest ones are dropped. */
const MOST = 1_000;

/**
 * An identity that assumes a role of AWS with session tags: user, tenant, session, run, agent and tool. Its token is a JSON text, which `awsKeys()`
 * reads. Combine it with other identities by `identities()` of `rondo/identity`. Needs `@aws-sdk/client-sts`, which is loaded for the first token.
 *
 * `get` rejects with RondoError `PROVIDER_REFUSED` (access denied, expired credentials of the process, a policy that AWS does not take),
 * `PROVIDER_UNAVAILABLE` (throttled three times, not reached), `PROVIDER_ANSWER_INVALID`, or `CONFIG_INVALID` (no credentials, no region, or a
 * request with scopes, which roles do not have).
 * @throws RondoError `CONFIG_INVALID`. See docs/aws-credentials.md.
 */
export function awsCredentials(o: AwsCredentialsOptions): Identity {
  const fixed = checked(o);
  const { now = Date.now } = o;
  const held = new Map<string, AwsKeys>();
  const join = joining<string, AwsKeys>();
  const client = lazy(() => stsOf(o));

  /** One request for all calls that need the same. It is not ended by the signal of one of them. */
  function assumed(key: string, r: Occasion, tags: Record<string, string>): Promise<AwsKeys> {
    return join(key, async () => {
      const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
      try {
        const keys = await (await client())({ ...fixed, RoleSessionName: sessionName(r), Tags });
        held.delete(key);
        held.set(key, keys);
        for (const oldest of held.keys()) {
          if (held.size <= MOST) break;
          held.delete(oldest);
        }
        return keys;
      } catch (error) {
        throw explained(error, o.roleArn);
      }
    });
  }

  async function get(r: CredentialRequest & Occasion): Promise<Token> {
    checkRequest(r);
    const tags = tagsOf(r);
    const key = JSON.stringify(tags);
    const known = held.get(key);
    const left = known ? known.expiration.getTime() - now() : 0;
    if (known && left > MARGIN) return told(known);
    try {
      return told(await assumed(key, r, tags));
    } catch (error) {
      if (known && left > USABLE && RondoError.is(error, 'PROVIDER_UNAVAILABLE')) return told(known);
      throw error;
    }
  }

  return { get };
}

function told(keys: AwsKeys): Token {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = keys;
  return {
    token: textOf(keys),
    secrets: [accessKeyId, secretAccessKey, sessionToken],
    expiresAt: expiration.getTime(),
    flow: 'client',
  };
}

type Sts = (input: AssumeRoleCommandInput) => Promise<AwsKeys>;

/** @throws RondoError `CONFIG_INVALID` if the package is not installed. */
async function stsOf({ client: own, region, endpoint, roleArn }: AwsCredentialsOptions): Promise<Sts> {
  const { STSClient, AssumeRoleCommand } = await import('@aws-sdk/client-sts').catch((cause: unknown) => {
    throw invalid(`${WHERE} needs a package that could not be loaded. Run: npm install @aws-sdk/client-sts`, { cause });
  });
  // this is the only layer that retries: the engine does not ask an identity again by itself
  const client =
    own ?? new STSClient({ maxAttempts: 3, ...(region !== undefined && { region }), ...(endpoint !== undefined && { endpoint }) });
  return async (input) => {
    const { Credentials } = await client.send(new AssumeRoleCommand(input), { abortSignal: AbortSignal.timeout(PATIENCE) });
    const {
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
      SessionToken: sessionToken,
      Expiration: expiration,
    } = Credentials ?? {};
    if (
      isText(accessKeyId) &&
      isText(secretAccessKey) &&
      isText(sessionToken) &&
      expiration instanceof Date &&
      !Number.isNaN(expiration.getTime())
    )
      return { accessKeyId, secretAccessKey, sessionToken, expiration };
    throw new RondoError('PROVIDER_ANSWER_INVALID', `AWS STS answered without the keys of ${roleArn}. Check the endpoint.`, {
      details: { role: roleArn },
    });
  };
}

/** What is the same in each request. @throws RondoError `CONFIG_INVALID` */
function checked(o: AwsCredentialsOptions): Pick<AssumeRoleCommandInput, 'RoleArn' | 'DurationSeconds' | 'Policy' | 'ExternalId'> {
  checkOptions(o, EXAMPLES, WHERE);
  const { roleArn, durationSeconds = 3_600, policy, externalId } = o;
  if (typeof roleArn !== 'string' || !/^arn:aws[a-z-]*:iam::\d{12}:role\/[\x21-\x7e]+$/.test(roleArn))
    throw invalid(`${WHERE} needs the ARN of a role: { ${EXAMPLES.roleArn} }.`);
  if (!Number.isInteger(durationSeconds) || durationSeconds < 900 || durationSeconds > 43_200)
    throw invalid(`${WHERE}: durationSeconds is a whole number from 900 to 43200, not ${durationSeconds}.`);
  return {
    RoleArn: roleArn,
    DurationSeconds: durationSeconds,
    ...(policy !== undefined && { Policy: policyOf(policy) }),
    ...(externalId !== undefined && { ExternalId: externalId }),
  };
}

function policyOf(policy: string | JsonObject): string {
  const text = typeof policy === 'string' ? policy : JSON.stringify(plain(policy, `${WHERE}: policy`));
  if (!isObjectText(text)) throw invalid(`${WHERE}: policy is a policy of IAM, as an object or as its JSON: { ${EXAMPLES.policy} }.`);
  if (text.length > 2_048) throw invalid(`${WHERE}: policy has ${text.length} characters, and AWS takes 2048.`);
  return text;
}

function isObjectText(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** What a tool asks for beside the role would not be what it gets. */
function checkRequest({
  flow = 'client',
  scopes = [],
  resources = [],
  audiences = [],
  force,
  tool,
  provider,
}: CredentialRequest & Occasion): void {
  if (flow !== 'client' || force || scopes.length + resources.length + audiences.length > 0)
    throw invalid(
      `${tool}: the credential of ${provider} is a role of AWS. It has no scopes, resources, audiences or consents, and only the flow client. Bound it by the policy of ${WHERE}.`,
    );
}
