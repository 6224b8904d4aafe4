/** Where the behaviour of what the local server executes is from. `docs/agentcore/operations.md` is written from it. */

interface Source {
  /** What is known, and from where. */
  readonly from: string;
  /** What is not, and is done all the same. */
  readonly guess?: string;
}

const STATUS = 'two seconds until the new status';

/** By the name of the operation. Each operation that the server executes is here. */
export const SOURCES: Readonly<Record<string, Source>> = {
  InvokeAgentRuntime: {
    from: 'documentation: a process for each session id; the allow-list of headers; quotas in the form of each protocol; a body to 100 MB, 15 minutes to the first byte, 60 minutes of a stream',
    guess:
      'an answer of the program that is not 2xx is a RuntimeClientError, 424; a call while the endpoint is being created is a RetryableConflictException, and while it is deleted a ResourceNotFoundException',
  },
  InvokeAgentRuntimeCommand: {
    from: 'documentation: a shell in the session, 300 seconds by default; the events by the schema',
    guess: 'it runs as the user of the server, in the folder of the session',
  },
  StopRuntimeSession: {
    from: 'documentation',
    guess: 'a session that is not there is a ResourceNotFoundException; the answer comes when the process has ended',
  },
  GetAgentCard: { from: 'documentation: the card that the program serves', guess: 'it starts the session' },
  CreateAgentRuntime: {
    from: 'documentation: version 1 and the endpoint DEFAULT are made with it',
    guess: `${STATUS}; a name in use is a ConflictException`,
  },
  UpdateAgentRuntime: {
    from: 'documentation: each update is a version, and DEFAULT follows the newest',
    guess: `${STATUS}; an update while it is deleted is a ConflictException`,
  },
  GetAgentRuntime: { from: 'documentation: the newest version if none is named; timeouts of 900 and 28,800 seconds by default' },
  DeleteAgentRuntime: {
    from: 'documentation: the runtime with its versions and endpoints, or one version',
    guess: `${STATUS}; a version that an endpoint points to is a ConflictException`,
  },
  ListAgentRuntimes: { from: 'documentation', guess: 'the order, by creation; pages of 100' },
  ListAgentRuntimeVersions: { from: 'documentation', guess: 'the order, oldest first; pages of 100' },
  CreateAgentRuntimeEndpoint: {
    from: 'documentation: it points to the newest version if none is named',
    guess: `${STATUS}; a name in use, and a runtime that is deleted, is a ConflictException`,
  },
  UpdateAgentRuntimeEndpoint: {
    from: 'documentation',
    guess: `${STATUS}; DEFAULT cannot be changed, nor one that is deleted (ConflictException); the live version is the target version at once`,
  },
  GetAgentRuntimeEndpoint: { from: 'documentation', guess: 'the id of an endpoint is its name' },
  DeleteAgentRuntimeEndpoint: { from: 'documentation', guess: `${STATUS}; DEFAULT is deleted with its runtime only` },
  ListAgentRuntimeEndpoints: { from: 'documentation', guess: 'the order, by creation; pages of 100' },
  ListTagsForResource: {
    from: 'documentation; runtimes, endpoints, memories, gateways, policy engines, workload identities and providers of API keys',
    guess: 'an ARN of another region or account, and a resource that was deleted, is a ResourceNotFoundException',
  },
  TagResource: { from: 'documentation', guess: 'the 51st tag is a ServiceQuotaExceededException' },
  UntagResource: { from: 'documentation: a key that is not there is left out' },
  CreateWorkloadIdentity: { from: 'documentation', guess: 'a name in use is a ValidationException with the reason ResourceConflict' },
  GetWorkloadIdentity: { from: 'documentation: also that of a runtime, by the id of the runtime' },
  UpdateWorkloadIdentity: { from: 'documentation', guess: 'without return URLs, those it has stay' },
  DeleteWorkloadIdentity: {
    from: 'documentation',
    guess: 'its tokens end, and those of its users are forgotten; that of a runtime goes with the runtime, and is an AccessDeniedException',
  },
  ListWorkloadIdentities: { from: 'documentation', guess: 'the order, by creation; pages of 20' },
  CreateApiKeyCredentialProvider: {
    from: 'documentation: the key is kept sealed and never comes back',
    guess: 'a name in use is a ConflictException; a secret of Secrets Manager is refused, as there is none',
  },
  GetApiKeyCredentialProvider: { from: 'documentation: the ARN of a secret, and not the key' },
  UpdateApiKeyCredentialProvider: { from: 'documentation: the new key counts at once' },
  DeleteApiKeyCredentialProvider: { from: 'documentation' },
  ListApiKeyCredentialProviders: { from: 'documentation', guess: 'the order, by creation; pages of 100' },
  CreateOauth2CredentialProvider: {
    from: 'documentation: the callback URL that is registered at the authorization server; the secret never comes back',
    guess:
      'it is READY at once; a name in use is a ConflictException; endpoints of vendors with a configuration of their own are known, of others they are in the request; secrets of Secrets Manager, keys of KMS and ID tokens of IAM are refused; private endpoints are kept and not used',
  },
  GetOauth2CredentialProvider: { from: 'documentation: the configuration without the secret' },
  UpdateOauth2CredentialProvider: {
    from: 'documentation',
    guess: 'the callback URL and the tokens of users stay; a refresh token is sent to no other server or client than its own',
  },
  DeleteOauth2CredentialProvider: { from: 'documentation', guess: 'the tokens that were got with it are forgotten' },
  ListOauth2CredentialProviders: { from: 'documentation', guess: 'the order, by creation; pages of 20' },
  GetTokenVault: { from: 'documentation: the one vault `default`', guess: 'its key is that of the service until it is changed' },
  SetTokenVaultCMK: { from: 'documentation', guess: 'the ARN of the key is kept and not used' },
  GetWorkloadAccessToken: {
    from: 'documentation: an opaque token; a workload of a runtime gets it from the service alone',
    guess: 'it is valid for an hour; for a workload of a runtime this is an AccessDeniedException',
  },
  GetWorkloadAccessTokenForJWT: {
    from: 'documentation: the user is `iss` and `sub` of a JWT that has not expired',
    guess: 'a JWT that is not taken is a ValidationException; the signature is checked where the server is told of issuers',
  },
  GetWorkloadAccessTokenForUserId: { from: 'documentation: any text that names the user' },
  GetResourceOauth2Token: {
    from: 'documentation: the three flows, tokens by workload, user, provider and scopes, refresh by the service, return URLs that the workload identity allows; measured: the text for a return URL that is missing',
    guess:
      'a session lasts 10 minutes; a token is renewed a minute before its end; resources and audiences count like scopes; a session of another is an AccessDeniedException; what the authorization server refuses is a ValidationException, and an InternalServerException if it is not there; after a decline the return URL has `error`, and the session is FAILED',
  },
  CompleteResourceTokenAuth: {
    from: 'documentation, and measured: only the token or the user id that the workload token was made for, byte for byte; else AccessDeniedException `Invalid or expired session`',
    guess:
      'once, within 10 minutes, after the browser came back, with a JWT that has not expired since; the code is exchanged here, and not before; a session whose workload identity or provider was deleted since, whose return URL is not registered any more, or whose provider has another server or client, has FAILED',
  },
  GetResourceApiKey: {
    from: 'documentation',
    guess: 'a workload token that was changed or has expired, or whose workload was deleted, is an UnauthorizedException',
  },
  CreateMemory: {
    from: 'documentation; that a name in use is a ValidationException is from the Python SDK',
    guess: `${STATUS} (on AWS minutes); keys, roles and streams are any well-formed ARN; a strategy of a name in use is a ValidationException`,
  },
  GetMemory: { from: 'documentation', guess: '`without_decryption` leaves out descriptions, and the configurations of strategies' },
  UpdateMemory: {
    from: 'documentation: the strategies, and indexed keys that are only added. Measured by users of Terraform: the texts of a memory in a transitional state and of a strategy that is not there',
    guess: `${STATUS}; a namespace key that a template uses cannot be removed`,
  },
  DeleteMemory: {
    from: 'documentation. Measured by users of CloudFormation: the text of a memory in a transitional state',
    guess: `${STATUS}; then its events and records are gone`,
  },
  ListMemories: { from: 'documentation', guess: 'the order, by creation; pages of 100' },
  CreateEvent: {
    from: 'documentation: expiry, branches, SKIP, rates; a known client token is ignored, and the first event is the answer. Measured by the authors of floci: the form of the id, a session that is made; by users of the Python SDK: events of one millisecond have no order',
    guess:
      'a first event of a branch needs its root, one of another session has the reason EventInOtherSession, and another wrong one is the field branch.rootEventId; a memory that is being made is a ValidationException',
  },
  GetEvent: { from: 'measured by the authors of floci: the text for an event that is not there' },
  DeleteEvent: { from: 'documentation', guess: 'an event that is not there is a ResourceNotFoundException' },
  ListEvents: {
    from: 'documentation. Measured by the authors of floci: newest first by id; without payloads the member is left out; an unknown session has none',
  },
  ListSessions: { from: 'documentation', guess: 'the order, newest first' },
  ListActors: { from: 'documentation', guess: 'the order, by name' },
  IngestData: {
    from: 'documentation: it is learned from, and no event is kept',
    guess: 'at most 14 entries of metadata; a known client token gives the first answer for a day',
  },
  RetrieveMemoryRecords: {
    from: 'documentation',
    guess:
      'the order and the score are those of the local search, by words, not those of embeddings; any metadata can be filtered, indexed or not',
  },
  ListMemoryRecords: { from: 'documentation', guess: 'the order, newest first' },
  GetMemoryRecord: {
    from: 'documentation',
    guess: 'the text for a record that is not there; a record without a strategy has an empty memoryStrategyId',
  },
  DeleteMemoryRecord: { from: 'documentation', guess: 'a record that is not there is a ResourceNotFoundException' },
  BatchCreateMemoryRecords: {
    from: 'documentation: each record has an outcome of its own',
    guess: 'the codes of outcomes: 400, and 404 for a strategy that is not there; a record needs a namespace',
  },
  BatchUpdateMemoryRecords: {
    from: 'documentation',
    guess: 'namespaces move the record; metadata is replaced; the strategy cannot change; a record outside sourceNamespaces is not found',
  },
  BatchDeleteMemoryRecords: { from: 'documentation', guess: 'a record that is not there is an outcome with the code 404' },
  ListMemoryExtractionJobs: {
    from: 'documentation: failed extractions, with the indexes of their messages',
    guess: 'the texts of reasons',
  },
  StartMemoryExtractionJob: { from: 'documentation', guess: 'a job that is not there is a ResourceNotFoundException' },
  CreateGateway: {
    from: 'documentation: a workload identity is made with it; CUSTOM_JWT needs its configuration; a name is used once in an account',
    guess: `${STATUS}; gatewayUrl is a path of this server; a name in use is a ConflictException; at most 1,000`,
  },
  UpdateGateway: {
    from: 'documentation: it replaces all settings; the name stays, and the search is chosen at creation',
    guess: `${STATUS}; another name or searchType is a ValidationException, and an update during a change a ConflictException`,
  },
  GetGateway: { from: 'documentation' },
  ListGateways: { from: 'documentation', guess: 'the order: oldest first' },
  DeleteGateway: { from: 'documentation', guess: `${STATUS}; with targets it is a ConflictException` },
  CreateGatewayTarget: {
    from: 'documentation: the types of credentials that a kind of target takes; documents in S3 of at most 10 MB; the filters and overrides of an apiGateway; a smithyModel is of restJson1, a service of AWS, and does not stream; at most 100 targets and 1,000 tools of one; measured: web-search needs the role of the gateway, and a configuration of its tool; the form of a `mcpToolSchema`; a target of http or inference needs a gateway without protocolType; the credentials of an agentcoreRuntime, whose ARN must be one of a runtime; AUTHORIZATION_CODE needs the authorizerType CUSTOM_JWT; an MCP server with it and without a `mcpToolSchema` is CREATE_PENDING_AUTH, with authorizationData in the answer, until an administrator has consented',
    guess: `${STATUS}; a name that is left out is made of the id; the credentials of a passthrough and of inference; a runtime that is not there, or a schema that is not OpenAPI, is FAILED; what cannot be listed or parsed is FAILED, with the reason; AUTHORIZATION_CODE needs a defaultReturnUrl and the MCP version 2025-11-25 or newer; the userId of authorizationData is another one for each change; after CompleteResourceTokenAuth the status is CREATING for two seconds; without it in 10 minutes, or declined, FAILED`,
  },
  UpdateGatewayTarget: {
    from: 'documentation: it replaces all settings; UPDATE_PENDING_AUTH as for CreateGatewayTarget, during which nothing can be changed',
    guess: `${STATUS}, UPDATE_UNSUCCESSFUL if it fails`,
  },
  GetGatewayTarget: { from: 'documentation' },
  ListGatewayTargets: { from: 'documentation', guess: 'the order: oldest first' },
  DeleteGatewayTarget: { from: 'documentation: not while a consent is waited for', guess: `${STATUS}; then it is a ConflictException` },
  SynchronizeGatewayTargets: {
    from: 'documentation: an MCP server is listed again, and until then its old list is offered; not with a static tool schema; SYNCHRONIZE_PENDING_AUTH as for CreateGatewayTarget',
    guess: `${STATUS}, SYNCHRONIZE_UNSUCCESSFUL if it fails; another kind of target is a ValidationException; an administrator is asked each time`,
  },
  CreatePolicyEngine: { from: 'documentation', guess: `${STATUS}; a name in use is a ConflictException; at most 1,000` },
  GetPolicyEngine: { from: 'documentation' },
  GetPolicyEngineSummary: { from: 'documentation: without reasons and description' },
  UpdatePolicyEngine: { from: 'documentation: the description, which an empty object removes', guess: STATUS },
  DeletePolicyEngine: { from: 'documentation', guess: `${STATUS}; with policies, or attached to a gateway, it is a ConflictException` },
  ListPolicyEngines: { from: 'documentation', guess: 'the order: oldest first' },
  ListPolicyEngineSummaries: { from: 'documentation', guess: 'the order: oldest first' },
  CreatePolicy: {
    from: 'documentation: validated by Cedar against the tools of the gateway that the policy names, or of those with the engine; a policy that names an action names a gateway; findings fail it unless they are ignored. Measured by users: ALLOW_ALL and DENY_ALL for a policy without a condition and about no principal by name, whatever its action is',
    guess: `${STATUS}, CREATE_FAILED with the reasons if it fails; which findings there are beside those of Cedar: each policy is judged by itself, and not together with the others of the engine; IGNORE_ALL_FINDINGS keeps all that parses. What was generated is kept as its statement, and is a ValidationException if it is INVALID or NOT_TRANSLATABLE. A temporal policy is answered with 501`,
  },
  UpdatePolicy: {
    from: 'documentation: what is left out stays',
    guess: `${STATUS}, UPDATE_FAILED if it fails, and then what was valid before is in force, its mode too; a mode alone fails with a definition that has failed`,
  },
  GetPolicy: { from: 'documentation' },
  GetPolicySummary: { from: 'documentation: without definition, reasons and description' },
  DeletePolicy: { from: 'documentation', guess: `${STATUS}; it is in force until it is gone` },
  ListPolicies: { from: 'documentation', guess: 'the order: oldest first; targetResourceScope is met by a policy that names no gateway' },
  ListPolicySummaries: { from: 'documentation', guess: 'the order: oldest first' },
  StartPolicyGeneration: {
    from: 'documentation: the text and the schema of the gateway become policies, each validated by itself; at most 50,000 policies of an engine in 7 days, after which they are removed',
    guess: `two seconds until the model is asked that is bound as model:default, and GENERATE_FAILED with the reason without one, or without an answer that fits in two minutes; a gateway that is not there is a ResourceNotFoundException; a name can be used again; at most 100 policies of one text`,
  },
  GetPolicyGeneration: { from: 'documentation', guess: 'it is removed with its policies, after 7 days; `findings` is left out' },
  GetPolicyGenerationSummary: { from: 'documentation: without reasons' },
  ListPolicyGenerations: { from: 'documentation', guess: 'the order: oldest first' },
  ListPolicyGenerationSummaries: { from: 'documentation', guess: 'the order: oldest first' },
  ListPolicyGenerationAssets: {
    from: 'documentation: findings VALID, INVALID, NOT_TRANSLATABLE and those of CreatePolicy; what cannot be translated has no definition; pages of 10',
    guess:
      'during GENERATING it is a ValidationException; a policy that names another gateway than that of the request, or none, is INVALID; a fragment that is not in the text is the whole text',
  },
  CreateGatewayRule: {
    from: 'documentation: the lowest priority is asked first, and is used once; conditions all hold, and of each list one entry; paths are `/<target>/*` of READY targets of http, some are reserved; weights are 100 together; measured: `/<target>` is not a path of `/<target>/*`',
    guess: `${STATUS}; the targets of an action must be there too; a name of a variant is used once; at most 100; a configuration bundle is answered with 501`,
  },
  UpdateGatewayRule: { from: 'documentation', guess: 'what is left out stays; it is in force at once' },
  GetGatewayRule: { from: 'documentation' },
  ListGatewayRules: { from: 'documentation', guess: 'the order: oldest first' },
  DeleteGatewayRule: { from: 'documentation', guess: `${STATUS}; it decides about nothing meanwhile` },
  CreateGatewayRateLimit: {
    from: 'documentation: one for each list of dimensionKeys; the dimensions of an entry; `*` for the last ones; 30 seconds until it is known everywhere',
    guess: 'keys in use, and a gateway that is deleted, are a ConflictException; at most 50',
  },
  UpdateGatewayRateLimit: { from: 'documentation: entries are replaced, keys stay' },
  GetGatewayRateLimit: { from: 'documentation' },
  ListGatewayRateLimits: { from: 'documentation', guess: 'the order: oldest first' },
  DeleteGatewayRateLimit: { from: 'documentation', guess: '30 seconds until it is gone; it limits nothing meanwhile' },
  BatchPutGatewayRateLimits: {
    from: 'documentation: all of them or none; a known id, or known keys, are updated',
    guess: 'a gateway that is deleted is a ConflictException',
  },
};

/** What sources disagree on: the point, what the server does, and how to have it the other way. */
export const SWITCHES: readonly (readonly [string, string, string])[] = [
  [
    'A busy session whose pings have no `time_of_last_update`',
    'It is idle, with a warning, and ends at its idle timeout: measured by the authors of fastagent in August 2026',
    '`untimed=protect`: it is busy, as the documentation says',
  ],
  [
    'Whether the interceptors of a gateway see `ping`',
    'They see it, as every other request: the documentation speaks of no exception but notifications, and pings of a server within a stream',
    '`pings=passed`: they do not see it',
  ],
  [
    'The service in the ARN of a credential provider',
    "`bedrock-agentcore`, as IAM's documentation, the samples and the schema of TagResource have it",
    '`providerArns=acps`: as the schema of the answers has it; such a provider cannot be tagged',
  ],
  [
    'What the parameter `namespace` covers',
    'The namespace and all below it, by whole segments: measured by the authors of the TypeScript SDK in June 2026',
    '`namespace=exact`: the namespace alone, as the developer guide says. `namespacePath` always covers what is below',
  ],
  [
    'The branch of an event of the main line',
    'It has none, as the Python SDK takes it',
    "`mainBranch=named`: `branch: { name: 'main' }`, as the authors of floci say",
  ],
  ['The shortest `eventExpiryDuration`', '3 days, as the schema has it', '`shortestExpiry=7`: 7 days, as the page of quotas says'],
];

export const NOT_VERIFIED: readonly string[] = [
  'The texts of messages, where the table does not say measured. Names of errors and statuses are by the schemas.',
  'Whether AWS tells all that is wrong with a request at once, as this server does, and in which order.',
  'How long a runtime and an endpoint take until they are ready.',
  'A `clientToken` that comes again with other parameters: here it is a ConflictException in Runtime; a ValidationException with the reason IdempotentParameterMismatchException is another possibility.',
  'Policies of IAM: every key that the server was told may do everything.',
  'Quotas that are counted by region or account over longer than the time that the server runs.',
  'What is extracted, when, from how many events at once, and how it is worded: here it is the local strategies, with a model that you bind.',
  'The schema that policies are validated against, how claims become tags, the findings, the texts of denials, and what policies a text becomes: here it is what the model writes that you bind.',
  'How long a memory takes until it is active: users report one to three minutes.',
];
