/** How the requests of a target are authorized: by credentials of the engine's identity, by a signature of AWS, or by the caller's own token. */
import { invalid, RondoError, ToolError } from '../../../errors.ts';
import { checkOptions } from '../../../options.ts';
import type { Assertion, CredentialRequest } from '../../../ports/identity.ts';
import { type SigningKeys, signedHeaders } from '../../../server/sigv4.ts';
import { defaultKeys } from '../../aws/default-keys.ts';
import { awsKeys } from '../../aws/keys.ts';

/** A key of the application, from the engine's identity, in a header or a parameter of the query. */
export interface ApiKeyAuth {
  type: 'api-key';
  provider: string;
  /** Default `header`. */
  in?: 'header' | 'query';
  /** The name of the header or parameter. Default: the header `authorization`, with the prefix `Bearer`. */
  name?: string;
  /** A word before the key, with a space after it. */
  prefix?: string;
}

/** A token of the engine's identity, as a bearer. */
export interface OAuthAuth {
  type: 'oauth';
  provider: string;
  /** `client`: of the application. `user`: one that the user consents to; the run waits for the consent. `exchange`: for the caller's. Default: the identity decides. */
  flow?: 'client' | 'user' | 'exchange';
  scopes?: readonly string[];
  resources?: readonly string[];
  audiences?: readonly string[];
}

/** A signature of AWS. */
export interface SigV4Auth {
  type: 'sigv4';
  /** The name under which the service signs, such as `execute-api`. Amazon S3 signs in another way, and is not served. */
  service: string;
  region: string;
  /** The provider of `awsCredentials()` of `rondo/aws`, for a role with session tags. */
  provider?: string;
  /** Your own keys. Default, without `provider`: those of this process. */
  keys?: () => SigningKeys | Promise<SigningKeys>;
}

/** The token that the caller came with, as it is. */
export interface PassThroughAuth {
  type: 'pass-through';
  /** Default `authorization`. */
  header?: string;
  /** Default `Bearer` for `authorization`, else none. */
  prefix?: string;
}

export type OutboundAuth = ApiKeyAuth | OAuthAuth | SigV4Auth | PassThroughAuth;

/** A request before it is sent. Names of headers are in lower case. */
export interface Outgoing {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
}

export interface Outbound {
  /** For `credentials` of each tool. */
  readonly requests: Readonly<Record<string, CredentialRequest>>;
  /** The caller's token is needed. */
  readonly perCaller: boolean;
  /** The names that the credentials take, which no argument of the model sets: `header x-api-key`. */
  readonly reserved: ReadonlySet<string>;
  /**
   * @param given the credentials of the call.
   * @returns the request as it is sent, and the secrets in it that the engine does not know.
   * @throws ToolError, with the outcome `not-run`.
   */
  authorize(
    request: Outgoing,
    given: Readonly<Record<string, string>>,
    assertion: Assertion | undefined,
  ): Promise<{ request: Outgoing; secrets: readonly (readonly [string, string])[] }>;
}

type Way = Pick<Outbound, 'authorize'> & { credential?: CredentialRequest; reserved: readonly string[] };

const EXAMPLES = {
  'api-key': {
    type: "type: 'api-key'",
    provider: "provider: 'weather'",
    in: "in: 'query'",
    name: "name: 'x-api-key'",
    prefix: "prefix: 'Key'",
  },
  oauth: {
    type: "type: 'oauth'",
    provider: "provider: 'crm'",
    flow: "flow: 'user'",
    scopes: "scopes: ['read']",
    resources: "resources: ['https://api.example.com']",
    audiences: "audiences: ['crm']",
  },
  sigv4: {
    type: "type: 'sigv4'",
    service: "service: 'execute-api'",
    region: "region: 'eu-central-1'",
    provider: "provider: 'aws'",
    keys: 'keys: () => keys()',
  },
  'pass-through': { type: "type: 'pass-through'", header: "header: 'x-user-token'", prefix: "prefix: 'Bearer'" },
} as const;

/** @throws RondoError `CONFIG_INVALID`. */
export function outbound(given: OutboundAuth | readonly OutboundAuth[] | undefined, where: string): Outbound {
  const list = given === undefined ? [] : ([given].flat() as readonly OutboundAuth[]);
  const ways = list.map((auth) => wayOf(auth, where));
  const requests: Record<string, CredentialRequest> = {};
  for (const [i, { credential }] of ways.entries()) if (credential) requests[nameOf(i)] = credential;
  const reserved = ways.flatMap((way) => way.reserved);
  const twice = reserved.find((name, i) => reserved.indexOf(name) !== i);
  if (twice !== undefined) throw invalid(`${where}: two credentials are sent as the ${twice}.`);
  if (list.some(({ type }, i) => type === 'sigv4' && i !== list.length - 1))
    throw invalid(`${where}: the signature covers what the other credentials add. Write sigv4 last.`);
  return {
    requests,
    perCaller: list.some(({ type }) => type === 'pass-through'),
    reserved: new Set(reserved),
    async authorize(request, values, assertion) {
      let out = request;
      const secrets: (readonly [string, string])[] = [];
      for (const [i, way] of ways.entries()) {
        const own = values[nameOf(i)];
        const done = await way.authorize(out, own === undefined ? {} : { own }, assertion);
        out = done.request;
        secrets.push(...done.secrets);
      }
      return { request: out, secrets };
    },
  };
}

const nameOf = (index: number) => (index === 0 ? 'outbound' : `outbound${index + 1}`);

function wayOf(auth: OutboundAuth, where: string): Way {
  const examples = EXAMPLES[auth?.type];
  if (!examples)
    throw invalid(
      `${where}: the type of credentials is one of ${Object.keys(EXAMPLES).join(', ')}: { type: 'api-key', provider: 'weather' }.`,
    );
  checkOptions(auth, examples, `${where}: credentials of type ${auth.type}`);
  for (const field of auth.type === 'sigv4'
    ? (['service', 'region'] as const)
    : auth.type === 'pass-through'
      ? []
      : (['provider'] as const)) {
    const value: unknown = (auth as unknown as Record<string, unknown>)[field];
    if (typeof value !== 'string' || value === '')
      throw invalid(`${where}: credentials of type ${auth.type} need a ${field}: { ${(examples as Record<string, string>)[field]} }.`);
  }
  switch (auth.type) {
    case 'api-key':
      return apiKey(auth, where);
    case 'oauth':
      return oauth(auth);
    case 'sigv4':
      return sigv4(auth, where);
    case 'pass-through':
      return passThrough(auth, where);
  }
}

function apiKey({ provider, in: place = 'header', name, prefix }: ApiKeyAuth, where: string): Way {
  if (place !== 'header' && place !== 'query')
    throw invalid(`${where}: a key is in the header or in the query, not in ${JSON.stringify(place)}.`);
  const credential: CredentialRequest = { provider, flow: 'api-key' };
  if (place === 'query') {
    if (!name) throw invalid(`${where}: a key in the query needs the name of its parameter: { in: 'query', name: 'key' }.`);
    return {
      credential,
      reserved: [`query ${name}`],
      async authorize(request, { own = '' }) {
        const url = new URL(request.url);
        // what was there would be read in place of the key by some servers
        if (url.searchParams.has(name)) url.searchParams.delete(name);
        url.search += `${url.search ? '&' : ''}${encodeURIComponent(name)}=${encodeURIComponent(worded(prefix, own))}`;
        return { request: { ...request, url }, secrets: [] };
      },
    };
  }
  const header = headerName(name ?? 'authorization', where);
  return { credential, reserved: [`header ${header}`], authorize: inHeader(header, name === undefined ? (prefix ?? 'Bearer') : prefix) };
}

function oauth({ type: _, ...request }: OAuthAuth): Way {
  return { credential: request, reserved: ['header authorization'], authorize: inHeader('authorization', 'Bearer') };
}

const inHeader =
  (header: string, prefix: string | undefined): Way['authorize'] =>
  async (request, { own = '' }) => ({ request: withHeaders(request, { [header]: sendable(worded(prefix, own)) }), secrets: [] });

function sigv4({ service, region, provider, keys }: SigV4Auth, where: string): Way {
  if (service === 's3') throw invalid(`${where}: Amazon S3 signs in another way. Use its own client, in a tool of yours.`);
  if (provider !== undefined && keys) throw invalid(`${where}: sigv4 signs with a provider of the identity or with keys, not with both.`);
  const own = keys ?? defaultKeys(where);
  return {
    ...(provider !== undefined && { credential: { provider } }),
    reserved: ['header authorization', 'header x-amz-date', 'header x-amz-content-sha256', 'header x-amz-security-token'],
    async authorize(request, given) {
      const found = await had(() => (given.own === undefined ? own() : awsKeys(given.own)), where);
      const added = signedHeaders({ ...request, body: request.body ?? '' }, found, { region, service, at: Date.now() });
      const { secretAccessKey, sessionToken } = found;
      const secrets = [
        ['AWS secret', secretAccessKey],
        ['AWS session token', sessionToken ?? ''],
      ] as const;
      return { request: withHeaders(request, added), secrets };
    },
  };
}

/** What a key service says may be a secret, so only an error of ours is told. */
export async function had(get: () => SigningKeys | Promise<SigningKeys>, where: string): Promise<SigningKeys> {
  try {
    return await get();
  } catch (cause) {
    const why = RondoError.is(cause) ? cause.message : `${where}: the keys to sign with could not be had.`;
    throw new ToolError('CREDENTIALS_UNAVAILABLE', why, { outcome: 'not-run', cause });
  }
}

function passThrough({ header, prefix }: PassThroughAuth, where: string): Way {
  const name = headerName(header ?? 'authorization', where);
  const word = prefix ?? (name === 'authorization' ? 'Bearer' : undefined);
  return {
    reserved: [`header ${name}`],
    async authorize(request, _, assertion) {
      if (!assertion) {
        const why = `${where} passes the caller's token on, and this run has none. Pass assertion to run() or resume().`;
        throw new ToolError('UNAUTHENTICATED', why, { outcome: 'not-run' });
      }
      return { request: withHeaders(request, { [name]: sendable(worded(word, assertion.token)) }), secrets: [] };
    },
  };
}

const withHeaders = (request: Outgoing, headers: Record<string, string>): Outgoing => ({
  ...request,
  headers: { ...request.headers, ...headers },
});
const worded = (prefix: string | undefined, value: string) => (prefix ? `${prefix} ${value}` : value);

/** The error of `fetch` would quote the header. */
function sendable(value: string): string {
  if (/^[\x20-\x7e\x80-\xff]*$/.test(value)) return value;
  throw new ToolError('CREDENTIALS_INVALID', 'The credential has characters that a header cannot have, such as a line break.', {
    outcome: 'not-run',
  });
}

function headerName(name: string, where: string): string {
  if (typeof name === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(name)) return name.toLowerCase();
  throw invalid(`${where}: ${JSON.stringify(name)} is not the name of a header.`);
}
