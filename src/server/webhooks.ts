import { randomUUID } from 'node:crypto';
import { invalid, ToolError } from '../errors.ts';
import { checkOptions } from '../options.ts';
import { ofStatus, outcomeOf } from '../reliability/codes.ts';
import { type Guarded, guard } from '../reliability/envelope.ts';
import { addressProblem, hop, originsOf } from './egress.ts';
import { keyOf, signer } from './signing.ts';

export interface WebhookOptions {
  /** Origins that may be called even if they are not https or not public, such as `http://127.0.0.1:9000`. */
  allow?: readonly string[];
  /** Milliseconds of one attempt. Default 5,000. */
  timeout?: number;
  /** Default 3. */
  attempts?: number;
  /** Prefix of error messages about the options. Default `webhooks(): `. */
  where?: string;
}

/** One message. It is sent as POST. */
export interface Webhook {
  /** https and public, unless `allow` has its origin. */
  url: string;
  body: string;
  /** Default `application/json`. */
  contentType?: string;
  headers?: Readonly<Record<string, string>>;
  /**
   * Signs the request by the Standard Webhooks specification. Base64 after `whsec_`, or any text of at least 24 bytes. Needs the package
   * `standardwebhooks`, which is loaded for the first message.
   */
  secret?: string;
  /** The message id. It is the same for every attempt, so that the receiver can drop duplicates. Default: a new id. */
  id?: string;
  /** Stops sending and retrying. */
  signal?: AbortSignal;
}

/** A sender of messages, with its own timeout and retries. */
export interface Webhooks {
  /** Why a URL is refused; undefined if it is allowed. A host name is resolved and checked only when the connection is made. */
  problem(url: string): string | undefined;
  /**
   * Sends a message, with at most `attempts` attempts. Resolves for failures too. `value` is the HTTP status.
   * Rejects with RondoError `CONFIG_INVALID` for a bad secret, or without the package for signatures.
   */
  send(webhook: Webhook): Promise<Guarded<number>>;
}

const OPTIONS = {
  allow: "allow: ['http://127.0.0.1:9000']",
  timeout: 'timeout: 5_000',
  attempts: 'attempts: 3',
  where: "where: 'serve(): '",
} satisfies Record<keyof WebhookOptions, string>;

const WEBHOOK = {
  url: "url: 'https://example.com/hook'",
  body: 'body: JSON.stringify(event)',
  contentType: "contentType: 'application/json'",
  headers: "headers: { 'x-event': 'done' }",
  secret: "secret: 'whsec_...'",
  id: "id: 'msg_1'",
  signal: 'signal: controller.signal',
} satisfies Record<keyof Webhook, string>;

/** Milliseconds before the first retry, and the most before any retry. */
const RETRY = { initialDelay: 200, maxDelay: 5_000 };

/**
 * Sends messages to URLs that callers provide. Only public https URLs are called, unless `allow` lists the origin. The resolved address is
 * checked when the connection is made, and redirects are not followed.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function webhooks(o: WebhookOptions = {}): Webhooks {
  checkOptions(o, OPTIONS, 'webhooks()');
  const { timeout = 5_000, attempts = 3, where = 'webhooks(): ' } = o;
  const allow = originsOf(o.allow ?? [], where);
  if (!(timeout > 0 && Number.isFinite(timeout)) || !(Number.isInteger(attempts) && attempts > 0))
    throw invalid(`${where}timeout is a number of milliseconds above 0, and attempts a whole number from 1 on.`);
  const policy = { effect: 'idempotent', timeout, attempts, ...RETRY } as const;

  function problem(text: string): string | undefined {
    if (!URL.canParse(text)) return 'A webhook is an address such as https://example.com/hook.';
    const url = new URL(text);
    const why = addressProblem(url, allow);
    if (url.username || url.password) return 'The address of a webhook holds no credentials.';
    return why || (url.protocol !== 'https:' && !allow.has(url.origin)) ? 'A webhook is a public https address.' : undefined;
  }

  async function send(webhook: Webhook) {
    // without its secret, a message would be sent unsigned
    checkOptions(webhook, WEBHOOK, 'a webhook');
    const { url, body, contentType = 'application/json', id = randomUUID(), secret, signal, ...w } = webhook;
    const sign = secret === undefined ? undefined : await signer(keyOf(secret));
    const attempt = async (given: AbortSignal): Promise<number> => {
      // checked again, because a stored URL may be older than the current rules
      const why = problem(url);
      if (why) throw new ToolError('ADDRESS_REFUSED', why, { outcome: 'not-run' });
      const headers: Record<string, string> = {
        'content-type': contentType,
        'content-length': String(Buffer.byteLength(body)),
        ...w.headers,
        ...sign?.(id, body),
      };
      const answer = await hop(new URL(url), allow, { method: 'POST', headers, body, signal: given });
      answer.destroy();
      const { statusCode: status = 500 } = answer;
      if (status >= 200 && status < 300) return status;
      const kind = ofStatus(status);
      const outcome = kind ? outcomeOf(kind, status) : 'failed';
      throw new ToolError(kind?.code ?? 'REDIRECTED', `HTTP ${status}`, { outcome, retryable: kind?.retryable ?? false });
    };
    return guard((a) => attempt(a.signal), { policy, cancel: signal, fallbackCode: 'STEP_FAILED' });
  }
  return { problem, send };
}
