import { type Failure, invalid, notRun, RondoError, ToolError } from '../../errors.ts';
import type { HandOut } from '../../journal/entries/hand-out.ts';
import type { CredentialRequest, Occasion, Token } from '../../ports/identity.ts';
import { classify, messageOf } from '../../reliability/classify.ts';
import { signalled } from '../../reliability/patience.ts';
import { warnOnce } from '../../reliability/warn.ts';
import type { Secrets } from '../../secrets.ts';
import { beyond } from '../grants.ts';
import type { Scope, ToolDefinition } from '../types.ts';
import type { Ready } from './call.ts';

/** Milliseconds that an identity may take. */
const IDENTITY_TIMEOUT = 30_000;

/** Milliseconds that a credential must still be valid when an attempt starts. */
const MARGIN = 30_000;

/**
 * The credentials of a call: all of them, with the time at which the first expires (epoch milliseconds); or the first that a person must
 * consent to; or why one is missing, in which case nothing has run.
 */
export type Credentials =
  | { ok: true; values: Readonly<Record<string, string>>; expiresAt: number | undefined; handedOut: readonly HandOut[] }
  | { ok: false; consent: { provider: string; url: string; handle?: string } }
  | { ok: false; error: Failure };

/**
 * Gets the credentials that a tool declares, at each start of a call. From then on the run masks them everywhere: they reach neither the
 * model, the journal nor a span. @param consent the approved consent of this call, which is completed first. @param again the call has had them
 * before, so a forced consent is not asked for again.
 */
export async function credentials(scope: Scope, tool: ToolDefinition, consent?: Consent, again = false): Promise<Credentials> {
  const { host, drive, grants } = scope;
  const { identity } = host;
  const values: { [name: string]: string } = Object.create(null);
  const handedOut: HandOut[] = [];
  let expiresAt: number | undefined;
  for (const [name, wanted] of Object.entries(tool.options.credentials ?? {})) {
    try {
      if (!identity) throw invalid('the engine has no identity. Pass one: new Engine({ identity }).');
      const request = wanted as CredentialRequest;
      const more = beyond(request, grants);
      if (more) return { ok: false, error: notGranted(tool.name, more) };
      const given = consent?.provider === request.provider ? consent : undefined;
      const handle = given?.handle;
      if (handle !== undefined && identity.complete)
        await asked(scope, tool, (o) => identity.complete?.({ ...request, ...o, handle }) ?? Promise.resolve());
      // forced consent is asked for once a call: the person has given it now, or gave it when the token to be renewed was got
      const { force: _, ...stored } = request;
      const got = await asked(scope, tool, (o) => identity.get({ ...(given || again ? stored : request), ...o }));
      if ('consentUrl' in got && typeof got.consentUrl === 'string' && got.consentUrl !== '') {
        const kept = typeof got.handle === 'string' && got.handle !== '' ? { handle: got.handle } : {};
        return { ok: false, consent: { provider: request.provider, url: got.consentUrl, ...kept } };
      }
      if (!('token' in got) || typeof got.token !== 'string' || got.token === '') throw new NotHad('the identity gave no token.');
      values[name] = got.token;
      drive.secrets.add([got.token, ...secretsOf(got)].map((secret) => [name, secret] as const));
      handedOut.push(handOut(name, request, got));
      if (typeof got.expiresAt === 'number') expiresAt = Math.min(expiresAt ?? Number.POSITIVE_INFINITY, got.expiresAt);
    } catch (error) {
      return { ok: false, error: notHad(scope, tool, name, error) };
    }
  }
  return { ok: true, values, expiresAt, handedOut };
}

/** What no later call can have either, until the configuration or the caller is another one. */
const LASTING: ReadonlySet<string> = new Set(['CONFIG_INVALID', 'NOT_PERMITTED']);

/** Why a call did not get a credential. A mistake of the configuration is told to the operator too, as no agent can mend it. */
function notHad({ host, drive }: Scope, tool: ToolDefinition, name: string, error: unknown): Failure {
  const code = RondoError.is(error) ? error.code : 'CREDENTIALS_UNAVAILABLE';
  const message = `The credential "${name}" could not be had: ${reasonOf(error, drive.secrets)}`;
  if (code === 'CONFIG_INVALID') warnOnce(host, message, `Calls of tool "${tool.name}" do not run. ${message}`);
  return notRun(code, message, !LASTING.has(code));
}

/** The line of the audit. The call, the agent and the user are those of the entry that it stands in. */
function handOut(name: string, { provider, scopes, resources, audiences, flow }: CredentialRequest, got: Token): HandOut {
  const how = flow ?? got.flow;
  return {
    name,
    provider,
    ...(how && { flow: how }),
    ...(scopes && { scopes: [...scopes] }),
    ...(resources && { resources: [...resources] }),
    ...(audiences && { audiences: [...audiences] }),
    at: Date.now(),
    ...(got.refreshed === true && { refreshed: true }),
  };
}

const secretsOf = ({ secrets }: Token): string[] => (Array.isArray(secrets) ? secrets.filter((secret) => typeof secret === 'string') : []);

/** The approved question of a consent. */
type Consent = { readonly provider?: string | undefined; readonly handle?: string | undefined };

/** Asks the identity, with a timeout. */
function asked<T>({ run, frame, drive, cancel }: Scope, tool: ToolDefinition, ask: (o: Occasion) => Promise<T>): Promise<T> {
  const { by, session } = run.started;
  const occasion = {
    by,
    ...(drive.caller.assertion && { assertion: { ...drive.caller.assertion } }),
    runId: run.runId,
    ...(session !== undefined && { session }),
    agent: frame.agent,
    tool: tool.name,
  };
  return signalled((signal) => ask({ ...occasion, signal }), IDENTITY_TIMEOUT, 'the identity', cancel);
}

/** Renews the credentials of a call before an attempt, if one expires soon. @throws ToolError; nothing ran. */
export function renewed(scope: Scope, ready: Ready, expiresAt: number): Promise<void> | undefined {
  if (expiresAt - MARGIN > Date.now()) return undefined;
  return credentials(scope, ready.tool, undefined, true).then((got) => {
    if (got.ok) {
      ready.credentials = got.values;
      ready.expiresAt = got.expiresAt;
      ready.handedAgain = [...(ready.handedAgain ?? []), ...got.handedOut];
      return;
    }
    const { code, message } =
      'error' in got
        ? got.error
        : {
            code: 'CONSENT_REQUIRED',
            message: `The consent of ${got.consent.provider} has ended. Call ${ready.tool.name} again: a person is asked then.`,
          };
    throw new ToolError(code, message, { outcome: 'not-run', retryable: 'error' in got && got.error.retryable });
  });
}

/**
 * The public part of an error of an identity. Its message may hold a secret that was never handed out, such as the response of an
 * authorization server, so only the message of a ToolError or RondoError is used.
 */
function reasonOf(error: unknown, secrets: Secrets): string {
  if (error instanceof ToolError || error instanceof NotHad || RondoError.is(error)) return messageOf(error, secrets.mask);
  const { code } = classify(error, 'TOOL_FAILED', secrets.mask);
  return `the identity failed${code === 'TOOL_FAILED' ? '' : ` (${code})`}. Its message is not shown, as it may hold a secret: throw a ToolError to say more.`;
}

/** What a call was handed again and is in no entry yet; the caller writes it. */
export function takeHandedAgain(ready: Ready): readonly HandOut[] | undefined {
  const { handedAgain } = ready;
  ready.handedAgain = undefined;
  return handedAgain;
}

/** An error of this file, whose message is safe to show. */
class NotHad extends Error {}

const notGranted = (tool: string, more: string): Failure =>
  notRun('NOT_PERMITTED', `${tool} needs ${more}, which this agent was not granted.`);
