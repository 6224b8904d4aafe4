import type { GetResourceOauth2TokenCommandOutput, Oauth2FlowType } from '@aws-sdk/client-bedrock-agentcore';
import { invalid } from '../../../errors.ts';
import { checkOptions } from '../../../options.ts';
import type {
  ConsentNeeded,
  ConsentReturn,
  ConsentReturned,
  CredentialRequest,
  Identity,
  Occasion,
  Token,
} from '../../../ports/identity.ts';
import { addressOf } from '../../identity/address.ts';
import { expiryOf } from '../../identity/expiry.ts';
import { explained } from '../../identity/oauth-errors.ts';
import type { AgentCoreClient } from '../client.ts';
import { type Carried, carriedIn, carriedText, hashOf } from './carried.ts';
import { awsNameOf, identityLine, no, noConsent } from './line.ts';
import { userIdOf } from './user-id.ts';
import { workloads } from './workload.ts';

export interface AgentCoreIdentityOptions {
  /** The name of the workload identity. In a runtime its token comes with each invocation, and this one is used outside of it. */
  workload: string;
  /** Default: that of the AWS client's configuration. */
  region?: string;
  /** Default: one that is made at the first call, with `maxAttempts: 1`. */
  client?: AgentCoreClient;
  /**
   * Where browsers come back to after a consent: the URL of `consentCallback()`. It is among `allowedResourceOauth2ReturnUrls` of the workload
   * identity. For the flow `user`.
   */
  returnUrl?: string;
  /**
   * How users are known to AgentCore: `token`, by the token that the run was started with, and a run without one fails with `CONSENT_EXPIRED`; `id`,
   * by `userIdOf(by)`. The two are different users there. Default: the token if there is one, else the id.
   */
  users?: 'token' | 'id';
  /** Milliseconds between two looks at whether a consent has become a token, and how long to look. Default 1,000 and 10,000. */
  polling?: { every?: number; for?: number };
}

const EXAMPLES = {
  workload: "workload: 'desk'",
  region: "region: 'us-east-1'",
  client: 'client: new BedrockAgentCoreClient({ maxAttempts: 1 })',
  returnUrl: "returnUrl: 'https://app.example.com/consent'",
  users: "users: 'token'",
  polling: 'polling: { every: 1_000, for: 10_000 }',
} satisfies { [K in keyof AgentCoreIdentityOptions]-?: string };

const POLLING = { every: 'every: 1_000', for: 'for: 10_000' } satisfies {
  [K in keyof NonNullable<AgentCoreIdentityOptions['polling']>]-?: string;
};

const WHERE = 'agentcoreIdentity()';
const FLOWS = { client: 'M2M', user: 'USER_FEDERATION', exchange: 'ON_BEHALF_OF_TOKEN_EXCHANGE' } as const satisfies Record<
  string,
  Oauth2FlowType
>;

type Wanted = Pick<Carried, 'provider' | 'scopes' | 'resources' | 'audiences'>;

export interface AgentCoreIdentity extends Identity {
  complete: NonNullable<Identity['complete']>;
  returned: NonNullable<Identity['returned']>;
}

/**
 * An identity on Amazon Bedrock AgentCore: AWS keeps keys and tokens, renews them, and binds consents to the user who began them. For `new Engine({
 * identity })`. Needs the package `@aws-sdk/client-bedrock-agentcore`. Its methods throw `RondoError`s; docs/agentcore/identity.md has the codes.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function agentcoreIdentity(o: AgentCoreIdentityOptions): AgentCoreIdentity {
  check(o);
  const { returnUrl, polling: { every = 1_000, for: patience = 10_000 } = {} } = o;
  const line = identityLine(o);
  const own = workloads(line, { workload: o.workload, users: o.users });

  async function key({ provider, ...who }: CredentialRequest & Occasion): Promise<Token> {
    const workloadIdentityToken = await own.plain(who);
    const { apiKey } = await line.ask(`the key of "${provider}"`, who.signal, (sdk, client, abort) =>
      client.send(new sdk.GetResourceApiKeyCommand({ workloadIdentityToken, resourceCredentialProviderName: provider }), abort),
    );
    return { token: apiKey ?? '', flow: 'api-key' };
  }

  const wantedOf = ({ provider, scopes = [], resources = [], audiences = [] }: CredentialRequest): Wanted => ({
    provider,
    scopes,
    resources,
    audiences,
  });

  /** @param more the return URL and the state of a new consent, or the session of one that was begun. */
  const tokenOf = (workloadIdentityToken: string, wanted: Wanted, oauth2Flow: Oauth2FlowType, signal: AbortSignal, more: object = {}) =>
    line.ask(`a token of "${wanted.provider}"`, signal, (sdk, client, abort) =>
      client.send(
        new sdk.GetResourceOauth2TokenCommand({
          workloadIdentityToken,
          resourceCredentialProviderName: wanted.provider,
          scopes: [...wanted.scopes],
          oauth2Flow,
          ...(wanted.resources.length > 0 && { resources: [...wanted.resources] }),
          ...(wanted.audiences.length > 0 && { audiences: [...wanted.audiences] }),
          ...more,
        }),
        abort,
      ),
    );

  async function user(r: CredentialRequest & Occasion): Promise<Token | ConsentNeeded> {
    if (returnUrl === undefined) throw invalid(`${WHERE}: the flow user needs returnUrl: { ${EXAMPLES.returnUrl} }.`);
    const workload = await own.forUser(r, false);
    const wanted = wantedOf(r);
    const customState = carriedText({ runId: r.runId, ...wanted, by: workload.by, hash: workload.hash });
    if (customState === undefined)
      throw invalid(`${WHERE}: the scopes of "${r.provider}" are longer than AgentCore carries over a consent.`);
    const more = { resourceOauth2ReturnUrl: returnUrl, customState, ...(r.force && { forceAuthentication: true }) };
    const got = await tokenOf(workload.token, wanted, FLOWS.user, r.signal, more);
    if (got.accessToken) return told(got.accessToken, 'user');
    if (got.authorizationUrl && got.sessionUri) return { consentUrl: got.authorizationUrl, handle: got.sessionUri };
    throw no('PROVIDER_ANSWER_INVALID', `AgentCore gave neither a token nor an authorization URL for "${r.provider}". Try again later.`);
  }

  async function get(r: CredentialRequest & Occasion): Promise<Token | ConsentNeeded> {
    const { flow = 'user' } = r;
    if (flow === 'api-key') return key(r);
    if (flow === 'user') return user(r);
    const token = flow === 'client' ? await own.plain(r) : (await own.forUser(r, true)).token;
    const { accessToken } = await tokenOf(token, wantedOf(r), FLOWS[flow], r.signal);
    if (!accessToken) throw no('PROVIDER_ANSWER_INVALID', `AgentCore gave no token for "${r.provider}". Try again later.`);
    return told(accessToken, flow);
  }

  /** What became of a consent; undefined for a session that is not of this user, or not any more. */
  async function outcomeOf(
    sessionUri: string,
    token: string,
    wanted: Wanted,
    signal: AbortSignal,
  ): Promise<'granted' | 'declined' | 'open' | undefined> {
    let got: GetResourceOauth2TokenCommandOutput;
    try {
      got = await tokenOf(token, wanted, FLOWS.user, signal, { sessionUri, resourceOauth2ReturnUrl: returnUrl });
    } catch (error) {
      if (awsNameOf(error) === 'AccessDeniedException') return undefined;
      throw error;
    }
    if (got.accessToken) return 'granted';
    return got.sessionStatus === 'FAILED' ? 'declined' : 'open';
  }

  /** Waits for the token of a consent that was approved. Without one `get` asks again. */
  async function complete(r: CredentialRequest & Occasion & { handle: string }): Promise<void> {
    const { token } = await own.forUser(r, false);
    for (const end = performance.now() + patience; ; ) {
      const outcome = await outcomeOf(r.handle, token, wantedOf(r), r.signal);
      if (outcome === 'declined') throw no('CONSENT_DECLINED', `The consent for "${r.provider}" was declined.`);
      if (outcome === 'granted') return;
      if (outcome === undefined || performance.now() + every > end || r.signal.aborted) break;
      await new Promise((resolve) => setTimeout(resolve, every));
    }
    // `get` asks for a token without force then, and would hand out the one of an earlier consent
    if (r.force) throw no('CONSENT_EXPIRED', `The consent for "${r.provider}" was approved, but not given there. It is asked for again.`);
  }

  async function returned(r: ConsentReturn): Promise<ConsentReturned> {
    const { searchParams } = new URL(r.url);
    const [handle, carried] = [searchParams.get('session_id'), carriedIn(searchParams.get('state') ?? '')];
    if (handle === null || !carried) throw noConsent();
    if (addressOf(r.url) !== addressOf(returnUrl ?? r.url))
      throw no('RETURN_URL_REFUSED', 'This is not the address that this consent returns to.');
    const { runId, provider } = carried;
    const userIdentifier = identifierOf(r, carried);
    const ended = (outcome: 'granted' | 'declined'): ConsentReturned => ({ runId, handle, provider, outcome });
    const error = searchParams.get('error');
    if (error === 'access_denied') return ended('declined');
    // the user has declined nothing, and may open the link again
    if (error !== null) throw explained(provider, { error, status: 400 });
    try {
      await line.once(`the consent for "${provider}"`, r.signal, (sdk, client, abort) =>
        client.send(new sdk.CompleteResourceTokenAuthCommand({ sessionUri: handle, userIdentifier }), abort),
      );
      return ended('granted');
    } catch (error) {
      const refused = awsNameOf(error) === 'AccessDeniedException';
      // the answer may have been lost, or the consent was used before; of a token that the platform made it cannot be asked here
      const after = carried.by === 'none' ? undefined : await outcomeFor(r, userIdentifier, handle, carried);
      if (after === 'declined' || (after === 'granted' && !refused)) return ended(after);
      if (!refused) throw error;
      const details = { runId, handle };
      if (after !== 'granted') throw no('CONSENT_EXPIRED', 'This consent took too long. The assistant asks again.', details);
      throw no('CONSENT_USED', 'This consent has been used. Ask the assistant again if it still needs one.', {
        ...details,
        outcome: after,
      });
    }
  }

  async function outcomeFor(r: ConsentReturn, identifier: Identifier, handle: string, carried: Carried): ReturnType<typeof outcomeOf> {
    const { token } = await own.forUser(withUser(r, identifier), false);
    return outcomeOf(handle, token, carried, r.signal);
  }

  return { get, complete, returned };
}

type Identifier = { userToken: string } | { userId: string };

/** What the session was begun with. The state only says which of the two it is; the service compares. @throws RondoError `CONSENT_MISMATCH` */
function identifierOf({ by, assertion }: ConsentReturn, { by: kind, hash }: Carried): Identifier {
  const userId = userIdOf(by);
  if (kind === 'id') {
    if (hashOf(userId) === hash) return { userId };
    throw no('CONSENT_MISMATCH', 'This consent was asked of another user. Sign in as the user who was asked, and open the link again.');
  }
  if (kind === 'none') return assertion ? { userToken: assertion.token } : { userId };
  if (assertion && hashOf(assertion.token) === hash) return { userToken: assertion.token };
  throw no(
    'CONSENT_MISMATCH',
    'You are another user than the one who was asked, or have signed in again since. Ask the assistant again, and open its new link.',
  );
}

/** The one who returned, known to the service as when the consent began. */
const withUser = ({ by, signal }: ConsentReturn, identifier: Identifier) => ({
  by,
  signal,
  ...('userToken' in identifier && { assertion: { type: 'jwt', token: identifier.userToken } }),
});

/** The service does not say when a token ends. One that is a JWT says so itself. */
function told(token: string, flow: NonNullable<Token['flow']>): Token {
  const expiresAt = expiryOf(token);
  return { token, flow, ...(expiresAt !== undefined && { expiresAt }) };
}

function check(o: AgentCoreIdentityOptions): void {
  checkOptions(o, EXAMPLES, WHERE, { region: 'text', polling: 'object' });
  const { workload, returnUrl, users, polling = {} } = o;
  checkOptions(polling, POLLING, `${WHERE}: polling`);
  if (o.client !== undefined && typeof (o.client as { send?: unknown } | null)?.send !== 'function')
    throw invalid(`${WHERE}: client is one of the AWS SDK: { ${EXAMPLES.client} }.`);
  if (typeof workload !== 'string' || !/^[\w.-]{3,255}$/.test(workload))
    throw invalid(`${WHERE} needs the name of a workload identity: { ${EXAMPLES.workload} }.`);
  if (returnUrl !== undefined && (!URL.canParse(returnUrl) || /[?#]/.test(returnUrl)))
    throw invalid(`${WHERE}: returnUrl is a URL without a query: AgentCore compares it as it is.`);
  if (users !== undefined && users !== 'token' && users !== 'id') throw invalid(`${WHERE}: users is token or id.`);
  for (const [name, ms] of Object.entries(polling))
    if (!(Number.isFinite(ms) && ms >= 0)) throw invalid(`${WHERE}: polling.${name} is a number of milliseconds.`);
}
