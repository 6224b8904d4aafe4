/** Signatures by the Standard Webhooks specification, made and verified by the package `standardwebhooks`. */

import { invalid, RondoError } from '../errors.ts';
import { lazy } from '../flight.ts';

type Package = typeof import('standardwebhooks');

/**
 * The bytes of a secret: base64 after `whsec_`, or any text of at least 24 bytes.
 * @throws RondoError `CONFIG_INVALID`
 */
export function keyOf(secret: unknown): Uint8Array {
  if (typeof secret !== 'string') throw invalid('the secret of a webhook is a text.');
  const encoded = secret.startsWith('whsec_') ? secret.slice(6) : undefined;
  if (encoded !== undefined && !/^[A-Za-z0-9+/]+={0,2}$/.test(encoded))
    throw invalid('the secret of a webhook has base64 after whsec_. Copy the whole secret.');
  const key = Buffer.from(secret.slice(encoded === undefined ? 0 : 6), encoded === undefined ? 'utf8' : 'base64');
  if (key.length < 24) throw invalid('the secret of a webhook has at least 24 bytes.');
  return key;
}

/**
 * @returns a function that makes the headers that prove the sender and the time of a message, which is now.
 * @throws RondoError `CONFIG_INVALID` without the package.
 */
export async function signer(key: Uint8Array): Promise<(id: string, body: string) => Record<string, string>> {
  const { Webhook } = await standardWebhooks();
  const webhook = new Webhook(key, RAW);
  return (id, body) => {
    const now = new Date();
    return {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
      'webhook-signature': webhook.sign(id, now, body),
    };
  };
}

/**
 * Verifies a message by any of the keys: its signature, and that its time differs by at most five minutes.
 * @returns its id. @throws RondoError `SIGNATURE_INVALID`; `CONFIG_INVALID` without the package.
 */
export async function verified(keys: readonly Uint8Array[], headers: Headers, body: string): Promise<string> {
  const { Webhook, WebhookVerificationError } = await standardWebhooks();
  const given = Object.fromEntries(NAMES.map((name) => [name, headers.get(name) ?? '']));
  let why = '';
  for (const key of keys)
    try {
      new Webhook(key, RAW).verify(body, given, { jsonParse: false });
      return given['webhook-id'] as string;
    } catch (error) {
      if (!(error instanceof WebhookVerificationError)) throw error;
      why = error.message;
    }
  throw new RondoError(
    'SIGNATURE_INVALID',
    `the message was not taken: ${why}. Nothing was written. Sign it by Standard Webhooks with the secret of this endpoint, and send it within five minutes.`,
  );
}

const NAMES = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
/** The key is given as bytes. */
const RAW = { format: 'raw' } as const;

/** Loaded on demand, because most servers sign nothing. */
const standardWebhooks = lazy(
  (): Promise<Package> =>
    import('standardwebhooks').catch((cause: unknown) => {
      throw invalid('Signed webhooks need the package standardwebhooks. Run `npm install standardwebhooks`.', { cause });
    }),
);
