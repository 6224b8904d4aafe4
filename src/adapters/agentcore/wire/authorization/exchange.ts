/** Grants that take the token of a user and give one for a resource: token exchange (RFC 8693) and JWT bearer (RFC 7523). */
import type Provider from 'oidc-provider';
import type { errors, KoaContextWithOIDC } from 'oidc-provider';
import { jose } from '../../../../server/jose.ts';

type Errors = typeof errors;
type Params = Readonly<Record<string, string | readonly string[] | undefined>>;

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const TYPES: readonly unknown[] = ['jwt', 'access_token', 'id_token'].map((type) => `urn:ietf:params:oauth:token-type:${type}`);
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

export interface Exchanging {
  provider: Provider;
  errors: Errors;
  /** Its own keys: it takes the tokens that it issued, and no others. */
  keys: { keys: object[] };
  users: readonly string[];
  now: () => number;
  /** The resource of a token, if its request names none. */
  resource: string;
  accessTokenSeconds: number;
}

export function addExchanges({ provider, errors, keys, users, now, resource, accessTokenSeconds }: Exchanging): void {
  /** @throws InvalidGrant for a token that is not of this server, or whose user there is not. */
  async function subjectOf(token: string, what: string): Promise<string> {
    const { createLocalJWKSet, jwtVerify } = await jose();
    try {
      const { payload } = await jwtVerify(token, createLocalJWKSet(keys as Parameters<typeof createLocalJWKSet>[0]), {
        issuer: provider.issuer,
        currentDate: new Date(now()),
        requiredClaims: ['exp', 'sub'],
      });
      return payload.sub as string;
    } catch {
      throw new errors.InvalidGrant(`the ${what} is not a valid token of this server`);
    }
  }

  async function answer(ctx: KoaContextWithOIDC, user: string, actor: string | undefined, more: object): Promise<void> {
    if (!users.includes(user)) throw new errors.InvalidGrant('the user of the token is not known');
    const { client, params } = ctx.oidc;
    const { scope, resource: wanted = resource, audience } = params as Params;
    const [first, ...others] = [audience ?? wanted].flat();
    if (first === undefined || others.length > 0) throw new errors.InvalidTarget('a token is for one resource or audience');
    const issued = new provider.AccessToken({
      accountId: user,
      client: client as NonNullable<typeof client>,
      gty: 'token_exchange',
      expiresIn: accessTokenSeconds,
      ...(typeof scope === 'string' && { scope }),
      ...(actor !== undefined && { extra: { act: { sub: actor } } }),
    } as never);
    const server = { scope: typeof scope === 'string' ? scope : '', audience: first, accessTokenFormat: 'jwt' as const };
    issued.resourceServer = new provider.ResourceServer(first, server);
    ctx.body = { access_token: await issued.save(), token_type: 'Bearer', expires_in: accessTokenSeconds, ...more };
  }

  const text = (value: unknown, name: string): string => {
    if (typeof value !== 'string' || value === '') throw new errors.InvalidRequest(`${name} is missing`);
    return value;
  };

  const exchange = async (ctx: KoaContextWithOIDC) => {
    const { subject_token, subject_token_type, actor_token } = ctx.oidc.params as Params;
    if (!TYPES.includes(subject_token_type)) throw new errors.InvalidRequest('subject_token_type is not one that is taken');
    const user = await subjectOf(text(subject_token, 'subject_token'), 'subject token');
    const actor = actor_token === undefined ? undefined : await subjectOf(text(actor_token, 'actor_token'), 'actor token');
    await answer(ctx, user, actor, { issued_token_type: ACCESS_TOKEN });
  };
  const bearer = async (ctx: KoaContextWithOIDC) =>
    answer(ctx, await subjectOf(text((ctx.oidc.params as Params).assertion, 'assertion'), 'assertion'), undefined, {});

  const parameters = ['scope', 'resource', 'audience', 'subject_token', 'subject_token_type', 'actor_token', 'actor_token_type'];
  provider.registerGrantType(TOKEN_EXCHANGE, exchange, parameters, ['resource', 'audience']);
  provider.registerGrantType(JWT_BEARER, bearer, ['scope', 'resource', 'audience', 'assertion'], ['resource', 'audience']);
}
