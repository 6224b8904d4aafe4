import { RondoError, type Failure } from '../errors.ts';
import type { Identity } from '../ports/identity.ts';
import type { Principal } from '../ports/principal.ts';
import type { ToolDefinition } from './tool.ts';

/** A tool's credentials while it runs. They reach neither the model, the journal nor a span: what it says is masked. */
export class Secrets {
  readonly values: { readonly [name: string]: string };
  readonly #masks: readonly [secret: string, name: string][];

  constructor(values: { readonly [name: string]: string }) {
    this.values = values;
    this.#masks = Object.entries(values)
      .filter(([, secret]) => secret.length > 0)
      .flatMap(([name, secret]) => [
        [secret, name] as [string, string],
        [Buffer.from(secret).toString('base64').replace(/=+$/, ''), name] as [string, string],
        [Buffer.from(secret).toString('base64url'), name] as [string, string],
        [encodeURIComponent(secret), name] as [string, string],
      ]);
  }

  mask(text: string): string {
    let masked = text;
    for (const [secret, name] of this.#masks) masked = masked.replaceAll(secret, `[secret ${name}]`);
    return masked;
  }

  maskJson<T>(value: T): T {
    return maskDeep(value, (text) => this.mask(text)) as T;
  }
}

function maskDeep(value: unknown, mask: (text: string) => string): unknown {
  if (typeof value === 'string') return mask(value);
  if (Array.isArray(value)) return value.map((item) => maskDeep(item, mask));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [mask(k), maskDeep(v, mask)]));
}

export type Credentials = { ok: true; secrets: Secrets } | { ok: false; consent: { provider: string; url: string } } | { ok: false; error: Failure };

/** Gets what a tool declares. Asked at each start of a call, so that an expired one is renewed. */
export async function credentials(tool: ToolDefinition, identity: Identity | undefined, by: Principal | undefined): Promise<Credentials> {
  const values: { [name: string]: string } = {};
  for (const [name, wanted] of Object.entries(tool.options.credentials ?? {})) {
    try {
      if (!identity) throw new Error('the engine has no identity. Pass one: new Engine({ identity }).');
      const got = await identity.get({ ...(wanted as Parameters<Identity['get']>[0]), by });
      if ('consentUrl' in got) return { ok: false, consent: { provider: (wanted as { provider: string }).provider, url: got.consentUrl } };
      values[name] = got.token;
    } catch (error) {
      const message = `The credential "${name}" could not be had: ${(error as Error)?.message ?? error}`;
      return { ok: false, error: { code: RondoError.is(error) ? error.code : 'CREDENTIALS_UNAVAILABLE', message, retryable: true, attempts: 0, outcome: 'not-run' } };
    }
  }
  return { ok: true, secrets: new Secrets(values) };
}
