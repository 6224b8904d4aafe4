/** The authorization servers of the vendors that a provider can name, by what AWS's configuration of each says. */
import { refused } from '../codec/error.ts';

export interface Metadata {
  issuer: string;
  authorizationEndpoint: string;
  tokenEndpoint: string;
  responseTypes?: readonly string[];
  tokenEndpointAuthMethods?: readonly string[];
}
/** As the client sends it: one of them. */
export interface Discovery {
  discoveryUrl?: string;
  authorizationServerMetadata?: Metadata;
}

/** The members that the configurations of vendors have. */
export interface VendorInput {
  clientId?: string;
  clientSecret?: string;
  clientSecretSource?: string;
  clientSecretConfig?: object;
  oauthDiscovery?: Discovery;
  tenantId?: string;
  issuer?: string;
  authorizationEndpoint?: string;
  tokenEndpoint?: string;
  clientAuthenticationMethod?: string;
  onBehalfOfTokenExchangeConfig?: OnBehalfOf;
  privateEndpoint?: object;
  privateEndpointOverrides?: readonly object[];
  privateKeyJwtConfig?: object;
}

export interface OnBehalfOf {
  grantType: 'TOKEN_EXCHANGE' | 'JWT_AUTHORIZATION_GRANT';
  tokenExchangeGrantTypeConfig?: { actorTokenContent: 'NONE' | 'M2M' | 'AWS_IAM_ID_TOKEN_JWT'; actorTokenScopes?: readonly string[] };
}

const wellKnown = (issuer: string) => ({ discoveryUrl: `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration` });

/** By the member of `oauth2ProviderConfigInput`: the vendor that goes with it, and where its server is. */
const VENDORS: Readonly<Record<string, { vendor: string; discovery: (input: VendorInput) => Discovery }>> = {
  customOauth2ProviderConfig: { vendor: 'CustomOauth2', discovery: ({ oauthDiscovery }) => oauthDiscovery ?? {} },
  googleOauth2ProviderConfig: { vendor: 'GoogleOauth2', discovery: () => wellKnown('https://accounts.google.com') },
  githubOauth2ProviderConfig: {
    vendor: 'GithubOauth2',
    discovery: () => ({
      authorizationServerMetadata: {
        issuer: 'https://github.com/login/oauth',
        authorizationEndpoint: 'https://github.com/login/oauth/authorize',
        tokenEndpoint: 'https://github.com/login/oauth/access_token',
        responseTypes: ['code'],
      },
    }),
  },
  slackOauth2ProviderConfig: { vendor: 'SlackOauth2', discovery: () => wellKnown('https://slack.com') },
  salesforceOauth2ProviderConfig: { vendor: 'SalesforceOauth2', discovery: () => wellKnown('https://login.salesforce.com') },
  microsoftOauth2ProviderConfig: {
    vendor: 'MicrosoftOauth2',
    discovery: ({ tenantId = 'common' }) => wellKnown(`https://login.microsoftonline.com/${encodeURIComponent(tenantId)}/v2.0`),
  },
  atlassianOauth2ProviderConfig: {
    vendor: 'AtlassianOauth2',
    discovery: () => ({
      authorizationServerMetadata: {
        issuer: 'https://auth.atlassian.com',
        authorizationEndpoint: 'https://auth.atlassian.com/authorize',
        tokenEndpoint: 'https://auth.atlassian.com/oauth/token',
        responseTypes: ['code'],
      },
    }),
  },
  linkedinOauth2ProviderConfig: { vendor: 'LinkedinOauth2', discovery: () => wellKnown('https://www.linkedin.com/oauth') },
};
/** All other vendors have this one. Their endpoints are in the request. */
const INCLUDED = 'includedOauth2ProviderConfig';

export interface Configured {
  /** The member of the configuration. */
  member: string;
  input: VendorInput;
  discovery: Discovery;
}

/** @param config with the one member that is set. @throws AwsError `ValidationException` */
export function configuredOf(vendor: string, config: Readonly<Record<string, VendorInput | undefined>>): Configured {
  const [[member, input] = ['', undefined]] = Object.entries(config).filter(([, value]) => value !== undefined);
  if (input === undefined) throw refused('oauth2ProviderConfigInput has one member.');
  const known = VENDORS[member];
  const fits = member === INCLUDED ? !Object.values(VENDORS).some((other) => other.vendor === vendor) : known?.vendor === vendor;
  if (!fits) throw refused(`credentialProviderVendor ${vendor} does not go with ${member}.`);
  return { member, input, discovery: known ? known.discovery(input) : included(vendor, input) };
}

function included(vendor: string, { issuer, authorizationEndpoint, tokenEndpoint }: VendorInput): Discovery {
  if (issuer !== undefined && authorizationEndpoint !== undefined && tokenEndpoint !== undefined)
    return { authorizationServerMetadata: { issuer, authorizationEndpoint, tokenEndpoint } };
  if (issuer !== undefined) return wellKnown(issuer);
  throw refused(`This server does not know the endpoints of ${vendor}: give its issuer, or use CustomOauth2.`);
}
