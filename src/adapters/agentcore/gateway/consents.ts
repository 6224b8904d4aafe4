/** Consents that a gateway asks for: what identifies one, and the return of the browser from it. */
import type { Engine } from '../../../engine/engine.ts';
import { invalid, NeedsPerson } from '../../../errors.ts';
import { checkOptions } from '../../../options.ts';
import type { ConsentReturn, ConsentReturned, Identity } from '../../../ports/identity.ts';
import { isSamePrincipal } from '../../../ports/principal.ts';
import type { AgentCoreClient } from '../client.ts';
import { awsNameOf, identityLine, no, noConsent } from '../identity/line.ts';

export interface GatewayConsentsOptions {
  /** Default: that of the AWS client's configuration. */
  region?: string;
  /** Default: one that is made at the first return, with `maxAttempts: 1`. */
  client?: AgentCoreClient;
}

export interface GatewayConsents extends Identity {
  returned: NonNullable<Identity['returned']>;
}

const EXAMPLES = {
  region: "region: 'us-east-1'",
  client: 'client: new BedrockAgentCoreClient({ maxAttempts: 1 })',
} satisfies { [K in keyof GatewayConsentsOptions]-?: string };

const WHERE = 'gatewayConsents()';

/** The session that an authorization URL of AgentCore belongs to. The browser comes back with it. */
function sessionIn(url: string): string | undefined {
  return URL.canParse(url) ? (new URL(url).searchParams.get('request_uri') ?? undefined) : undefined;
}

/** A consent is found by its session when the browser comes back. @returns the error as it is, if it is another. */
export function withSession(error: unknown): unknown {
  if (!NeedsPerson.is(error) || !('url' in error.asks)) return error;
  const handle = sessionIn(error.asks.url);
  return handle === undefined ? error : new NeedsPerson({ ...error.asks, handle }, { state: error.state });
}

/**
 * Ends the consents that gateways of AgentCore asked the users of this engine for. For `consentCallback()`, which is at the return URL of the targets: alone,
 * or among others by `identities()`. A consent ends only for the user who was asked, signed in with the token that the gateway was called with. Needs the package
 * `@aws-sdk/client-bedrock-agentcore`.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function gatewayConsents(engine: Engine, o: GatewayConsentsOptions = {}): GatewayConsents {
  checkOptions(o, EXAMPLES, WHERE);
  if (typeof engine?.approvals !== 'function') throw invalid(`${WHERE} needs the engine whose runs wait: gatewayConsents(engine).`);
  const line = identityLine({ ...o, where: WHERE });

  /** The run that waits for it. @throws RondoError */
  async function asked(session: string, { by }: ConsentReturn): Promise<{ runId: string; provider: string }> {
    for await (const approval of engine.approvals({ by })) {
      if (approval.kind !== 'consent' || sessionIn(approval.url) !== session) continue;
      const { runId, provider } = approval;
      for await (const entry of engine.entries(runId, { by })) {
        if (entry.type === 'run.started' && isSamePrincipal(entry.by, by)) return { runId, provider };
        break;
      }
      throw no('CONSENT_MISMATCH', 'This consent was asked of another user. Sign in as the user who was asked, and open the link again.');
    }
    throw noConsent();
  }

  return {
    async get() {
      throw invalid(`${WHERE} is for consentCallback(): tools that declare credentials need another identity.`);
    },
    async returned(r): Promise<ConsentReturned> {
      const { searchParams } = new URL(r.url);
      const handle = searchParams.get('session_id');
      if (handle === null) throw noConsent();
      const { runId, provider } = await asked(handle, r);
      const ended = (outcome: 'granted' | 'declined'): ConsentReturned => ({ runId, handle, provider, outcome });
      if (searchParams.has('error')) return ended('declined');
      const { assertion } = r;
      if (!assertion) throw no('CONSENT_MISMATCH', 'This consent was asked of a user with a token. Sign in, and open the link again.');
      try {
        await line.once(`the consent for "${provider}"`, r.signal, (sdk, client, abort) =>
          client.send(
            new sdk.CompleteResourceTokenAuthCommand({ sessionUri: handle, userIdentifier: { userToken: assertion.token } }),
            abort,
          ),
        );
      } catch (error) {
        if (awsNameOf(error) !== 'AccessDeniedException') throw error;
        // the service does not say which; the call that is made again finds the token, or asks again
        const why = 'This consent has been used, took too long, or began before you signed in again. The assistant goes on, or asks again.';
        throw no('CONSENT_EXPIRED', why, { runId, handle });
      }
      return ended('granted');
    },
  };
}
