import { type Failure, RondoError, ToolError } from '../errors.ts';
import type { Identity } from '../ports/identity.ts';
import { classify, messageOf } from '../reliability/classify.ts';
import { inTime } from '../reliability/patience.ts';
import type { Secrets } from '../secrets.ts';
import { beyond } from './grants.ts';
import type { Scope, ToolDefinition } from './types.ts';

/** Milliseconds an identity may take. */
const IDENTITY_TIMEOUT = 30_000;

export type Credentials =
  | { ok: true; values: Readonly<Record<string, string>> }
  | { ok: false; consent: { provider: string; url: string } }
  | { ok: false; error: Failure };

/**
 * Gets what a tool declares. Asked at each start of a call, so that an expired one is renewed. From then on the run masks it in all that is
 * said: a secret reaches neither the model, the journal nor a span.
 */
export async function credentials({ host, run, drive, cancel, grants }: Scope, tool: ToolDefinition): Promise<Credentials> {
  const { identity } = host;
  const { by } = run.started;
  const values: { [name: string]: string } = Object.create(null);
  for (const [name, wanted] of Object.entries(tool.options.credentials ?? {})) {
    try {
      if (!identity) throw new NotHad('the engine has no identity. Pass one: new Engine({ identity }).');
      const request = wanted as Parameters<Identity['get']>[0];
      const more = beyond(request, grants);
      if (more) return { ok: false, error: notGranted(tool.name, more) };
      const got = await inTime(identity.get({ ...request, by }), IDENTITY_TIMEOUT, 'the identity', cancel);
      if ('consentUrl' in got && typeof got.consentUrl === 'string' && got.consentUrl !== '')
        return { ok: false, consent: { provider: request.provider, url: got.consentUrl } };
      if (!('token' in got) || typeof got.token !== 'string' || got.token === '') throw new NotHad('the identity gave no token.');
      values[name] = got.token;
      drive.secrets.add([[name, got.token]]);
    } catch (error) {
      const message = `The credential "${name}" could not be had: ${reasonOf(error, drive.secrets)}`;
      return {
        ok: false,
        error: {
          code: RondoError.is(error) ? error.code : 'CREDENTIALS_UNAVAILABLE',
          message,
          retryable: true,
          attempts: 0,
          outcome: 'not-run',
        },
      };
    }
  }
  return { ok: true, values };
}

/**
 * What may be told of an error that an identity threw. Its own words may hold a secret that was never handed out, such as the answer of an
 * authorization server, so only an author who wrote for agents is quoted.
 */
function reasonOf(error: unknown, secrets: Secrets): string {
  if (error instanceof ToolError || error instanceof NotHad || RondoError.is(error)) return messageOf(error, secrets.mask);
  const { code } = classify(error, 'TOOL_FAILED', secrets.mask);
  return `the identity failed${code === 'TOOL_FAILED' ? '' : ` (${code})`}. Its message is not shown, as it may hold a secret: throw a ToolError to say more.`;
}

/** Our own words on what is missing. */
class NotHad extends Error {}

const notGranted = (tool: string, more: string): Failure => ({
  code: 'NOT_PERMITTED',
  message: `${tool} needs ${more}, which this agent was not granted.`,
  retryable: false,
  attempts: 0,
  outcome: 'not-run',
});
