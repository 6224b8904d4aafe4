/** A provider of OAuth2 tokens, and the client that it is made for. */
import { RondoError } from '../../../../errors.ts';
import { type OAuth, oauth } from '../../../identity/oauth.ts';
import { checkProvider, type Provider as Known } from '../../../identity/provider.ts';
import type { World } from '../call.ts';
import { AwsError, because, refused } from '../codec/error.ts';
import { found, OAUTH2, type Provider, secretOf } from './resources.ts';
import type { Discovery, OnBehalfOf } from './vendors.ts';

export interface Oauth2Provider extends Provider {
  vendor: string;
  /** The end of its callback URL. */
  callbackId: string;
  /** The member of the configuration, and what of it may be told. */
  member: string;
  output: { oauthDiscovery: Discovery; clientId: string; onBehalfOfTokenExchangeConfig?: OnBehalfOf; clientAuthenticationMethod?: string };
}

/** @throws AwsError `ResourceNotFoundException` */
export const oauth2Of = (world: World, name: string) => found<Oauth2Provider>(world, OAUTH2, name, 'Credential provider');

export const CALLBACK = '/identities/oauth2/callback/';
/** The URL at which the browsers of users come back. It is registered at the authorization server. */
export const callbackUrl = (world: World, { callbackId }: Oauth2Provider) => `${urlOf(world)}${CALLBACK}${callbackId}`;

/** Of the local server. */
export const urlOf = (world: World): string => world.env().AWS_ENDPOINT_URL_BEDROCK_AGENTCORE as string;

function knownOf({ output }: Pick<Oauth2Provider, 'output'>, clientSecret: string): Known {
  const { oauthDiscovery, clientId, clientAuthenticationMethod: method, onBehalfOfTokenExchangeConfig: exchange } = output;
  const { discoveryUrl, authorizationServerMetadata: metadata } = oauthDiscovery;
  const client: Known = {
    clientId,
    clientSecret,
    clientAuth: method === 'CLIENT_SECRET_POST' ? 'post' : 'basic',
    exchange: { grant: exchange?.grantType === 'JWT_AUTHORIZATION_GRANT' ? 'jwt-bearer' : 'token-exchange' },
  };
  if (discoveryUrl !== undefined) return { ...client, discovery: discoveryUrl };
  if (!metadata) throw refused('oauthDiscovery has a discoveryUrl or authorizationServerMetadata.');
  const { issuer, authorizationEndpoint: authorization, tokenEndpoint: token } = metadata;
  return { ...client, endpoints: { issuer, authorization, token } };
}

/** Checks a configuration before it is stored. @throws AwsError `ValidationException` */
export function checkServer(name: string, of: Pick<Oauth2Provider, 'output'>, clientSecret: string): void {
  try {
    checkProvider(name, knownOf(of, clientSecret));
  } catch (error) {
    if (RondoError.is(error, 'CONFIG_INVALID')) throw refused(error.message);
    throw error;
  }
}

/** Clients by the name of the provider, made again when it was changed. Their errors are those of `providerError`. */
export function oauthClients(world: World): (provider: Oauth2Provider) => OAuth {
  const made = new Map<string, { sealed: string; client: OAuth }>();
  return (provider) => {
    const { name, sealed } = provider;
    const known = made.get(name);
    if (known?.sealed === sealed) return known.client;
    const client = oauth(name, knownOf(provider, secretOf(world, 'oauth2', provider)), { now: world.clock.now });
    made.set(name, { sealed, client });
    return client;
  };
}

/** A failure of an authorization server as the service tells it. */
export function providerError(error: unknown): unknown {
  if (RondoError.is(error, 'PROVIDER_REFUSED')) return because(refused('The authorization server refused the request.'), error.message);
  if (RondoError.is(error, 'PROVIDER_UNAVAILABLE') || RondoError.is(error, 'PROVIDER_ANSWER_INVALID'))
    return because(new AwsError('InternalServerException', 'The authorization server could not be asked.'), error.message);
  return error;
}
