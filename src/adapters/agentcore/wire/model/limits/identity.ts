/** Limits of Identity. Sources: the service models of botocore of 7 August 2026 and AWS's API reference. */
import type { Plane } from '../model.ts';
import { entries, KMS_KEY, type Limits, like, oneOf, RETURN_URL, range, TAGS, text, WORKLOAD_NAME } from './limit.ts';

const PROVIDER = text(1, 128, '[a-zA-Z0-9\\-_]+');
const WORKLOAD_TOKEN = range(1, 131_072);
/** The service's own pattern has a bare dot for each dot of a token, and takes any text of five characters. */
const USER_TOKEN = text(1, 131_072, '[A-Za-z0-9-_=]+\\.[A-Za-z0-9-_=]+\\.[A-Za-z0-9-_=]+');
const USER_ID = range(1, 128);
const SESSION_URI = text(1, 1024, 'urn:ietf:params:oauth:request_uri:[a-zA-Z0-9-._~]+');
const SCOPES = { each: range(1, 128) };
const CLAIMS = { min: 1, max: 10, keys: text(1, 255, '[A-Za-z0-9_.:#-]+'), each: range(1, 2048) };
const VAULT = text(1, 64, '[a-zA-Z0-9\\-_]+');
const SECRET_SOURCE = oneOf('SecretSourceType');
const SECRET = { clientSecret: range(0, 2048), clientSecretSource: SECRET_SOURCE };
const VENDOR = { clientId: range(1, 256), ...SECRET };
const API_KEY = { name: PROVIDER, apiKey: range(0, 65_536), apiKeySecretSource: SECRET_SOURCE };
const OAUTH = { name: PROVIDER, credentialProviderVendor: oneOf('CredentialProviderVendorType') };
const WORKLOAD = { name: WORKLOAD_NAME, allowedResourceOauth2ReturnUrls: { each: RETURN_URL } };
const PROVIDERS = { maxResults: range(1, 20) };

export const IDENTITY: Readonly<Record<Plane, Limits>> = {
  data: {
    GetWorkloadAccessTokenRequest: { workloadName: WORKLOAD_NAME },
    GetWorkloadAccessTokenForJWTRequest: { workloadName: WORKLOAD_NAME, userToken: USER_TOKEN },
    GetWorkloadAccessTokenForUserIdRequest: { workloadName: WORKLOAD_NAME, userId: USER_ID },
    GetResourceApiKeyRequest: { workloadIdentityToken: WORKLOAD_TOKEN, resourceCredentialProviderName: PROVIDER },
    GetResourceOauth2TokenRequest: {
      workloadIdentityToken: WORKLOAD_TOKEN,
      resourceCredentialProviderName: PROVIDER,
      scopes: SCOPES,
      oauth2Flow: oneOf('Oauth2FlowType'),
      sessionUri: SESSION_URI,
      resourceOauth2ReturnUrl: RETURN_URL,
      customParameters: { keys: text(1, 256, '[a-zA-Z0-9\\-_\\.]+'), each: range(1, 2048) },
      customState: range(1, 4096),
      resources: { each: range(1, 2048) },
      audiences: { each: range(1, 2048) },
    },
    CompleteResourceTokenAuthRequest: { sessionUri: SESSION_URI },
    UserIdentifier: { userToken: USER_TOKEN, userId: USER_ID },
  },
  control: {
    CreateWorkloadIdentityRequest: { ...WORKLOAD, tags: TAGS },
    UpdateWorkloadIdentityRequest: WORKLOAD,
    GetWorkloadIdentityRequest: { name: WORKLOAD_NAME },
    DeleteWorkloadIdentityRequest: { name: WORKLOAD_NAME },
    ListWorkloadIdentitiesRequest: PROVIDERS,
    CreateApiKeyCredentialProviderRequest: { ...API_KEY, tags: TAGS },
    UpdateApiKeyCredentialProviderRequest: API_KEY,
    GetApiKeyCredentialProviderRequest: { name: PROVIDER },
    DeleteApiKeyCredentialProviderRequest: { name: PROVIDER },
    ListApiKeyCredentialProvidersRequest: { maxResults: range(1, 100) },
    CreateOauth2CredentialProviderRequest: { ...OAUTH, tags: TAGS },
    UpdateOauth2CredentialProviderRequest: OAUTH,
    GetOauth2CredentialProviderRequest: { name: PROVIDER },
    DeleteOauth2CredentialProviderRequest: { name: PROVIDER },
    ListOauth2CredentialProvidersRequest: PROVIDERS,
    GetTokenVaultRequest: { tokenVaultId: VAULT },
    SetTokenVaultCMKRequest: { tokenVaultId: VAULT },
    KmsConfiguration: { keyType: oneOf('KeyType'), kmsKeyArn: KMS_KEY },
    KmsKeySourceType: { kmsKeyArn: KMS_KEY },
    SecretReference: { secretId: range(1, 2048), jsonKey: range(1, 128) },
    Oauth2Discovery: { discoveryUrl: like('.+/\\.well-known/(openid-configuration|oauth-authorization-server)') },
    Oauth2AuthorizationServerMetadata: { tokenEndpointAuthMethods: entries(1, 2, like('(client_secret_post|client_secret_basic)')) },
    OnBehalfOfTokenExchangeConfigType: { grantType: oneOf('OnBehalfOfTokenExchangeGrantTypeType') },
    TokenExchangeGrantTypeConfigType: { actorTokenContent: oneOf('ActorTokenContentType'), actorTokenScopes: SCOPES },
    PrivateKeyJwtConfig: {
      signingAlgorithm: oneOf('SigningAlgorithm'),
      additionalHeaderClaims: CLAIMS,
      additionalPayloadClaims: CLAIMS,
    },
    CustomOauth2ProviderConfigInput: {
      clientId: range(0, 256),
      ...SECRET,
      clientAuthenticationMethod: oneOf('ClientAuthenticationMethodType'),
      privateEndpointOverrides: range(0, 5),
    },
    GoogleOauth2ProviderConfigInput: VENDOR,
    GithubOauth2ProviderConfigInput: VENDOR,
    SlackOauth2ProviderConfigInput: VENDOR,
    SalesforceOauth2ProviderConfigInput: VENDOR,
    AtlassianOauth2ProviderConfigInput: VENDOR,
    LinkedinOauth2ProviderConfigInput: VENDOR,
    IncludedOauth2ProviderConfigInput: VENDOR,
    MicrosoftOauth2ProviderConfigInput: { ...VENDOR, tenantId: range(1, 2048) },
  },
};
