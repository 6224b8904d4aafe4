import { type Failure, RondoError } from '../errors.ts';
import type { Identity } from '../ports/identity.ts';
import { messageOf } from '../reliability/classify.ts';
import { inTime } from '../reliability/patience.ts';
import { beyond } from './grants.ts';
import type { Scope } from './scope.ts';
import type { ToolDefinition } from './tool.ts';

/** A tool's credentials while it runs. They reach neither the model, the journal nor a span: what it says is masked. */
export class Secrets {
  readonly values: { readonly [name: string]: string };
  readonly #masks: readonly (readonly [secret: string, name: string])[];

  constructor(values: { readonly [name: string]: string }) {
    this.values = values;
    // the longest first, so that no part of one is left
    this.#masks = Object.entries(values)
      .flatMap(([name, secret]) => disguises(secret).map((text) => [text, name] as const))
      .sort(([a], [b]) => b.length - a.length);
  }

  readonly mask = (text: string): string => {
    let masked = text;
    for (const [secret, name] of this.#masks) masked = masked.replaceAll(secret, `[secret ${name}]`);
    return masked;
  };

  /** Of plain JSON. */
  maskJson<T>(value: T): T {
    return maskDeep(value, this.mask, MAX_DEPTH) as T;
  }
}

/** Shorter ones are found as they are, and not inside base64, where so few letters would be anything. */
const SHORTEST_DISGUISED = 6;

/** The forms in which a secret is known to turn up. */
function disguises(secret: string): string[] {
  if (secret === '') return [];
  const text = Buffer.from(secret).toString();
  const forms = new Set([secret, encodeURIComponent(text), new URLSearchParams({ '': text }).toString().slice(1)]);
  // in JSON, in JSON in JSON, and in JSON in that
  for (let json = secret, i = 0; i < 3; i++) {
    json = JSON.stringify(json).slice(1, -1);
    forms.add(json);
  }
  const bytes = Buffer.from(secret);
  if (bytes.length >= SHORTEST_DISGUISED) forms.add(bytes.toString('hex')).add(bytes.toString('hex').toUpperCase());
  // behind other text, as in `user:secret`, base64 has three ways to write it; the letters at the seams belong to both
  for (let offset = 0; bytes.length >= SHORTEST_DISGUISED && offset < 3; offset++) {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    const core = text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
    forms.add(core).add(core.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return [...forms];
}

/** Deeper than this nothing is looked for, and so nothing is told. */
const MAX_DEPTH = 500;

function maskDeep(value: unknown, mask: (text: string) => string, depth: number): unknown {
  if (typeof value === 'string') return mask(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) return '[nested too deeply]';
  if (Array.isArray(value)) return value.map((item) => maskDeep(item, mask, depth - 1));
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [mask(k), maskDeep(v, mask, depth - 1)]));
}

/** Milliseconds an identity may take. */
const IDENTITY_TIMEOUT = 30_000;

export type Credentials =
  | { ok: true; secrets: Secrets }
  | { ok: false; consent: { provider: string; url: string } }
  | { ok: false; error: Failure };

/** Gets what a tool declares. Asked at each start of a call, so that an expired one is renewed. */
export async function credentials({ host, run, cancel, grants }: Scope, tool: ToolDefinition): Promise<Credentials> {
  const { identity } = host;
  const { by } = run.started;
  const values: { [name: string]: string } = Object.create(null);
  for (const [name, wanted] of Object.entries(tool.options.credentials ?? {})) {
    try {
      if (!identity) throw new Error('the engine has no identity. Pass one: new Engine({ identity }).');
      const request = wanted as Parameters<Identity['get']>[0];
      const more = beyond(request, grants);
      if (more) return { ok: false, error: notGranted(tool.name, more) };
      const got = await inTime(identity.get({ ...request, by }), IDENTITY_TIMEOUT, 'the identity', cancel);
      if ('consentUrl' in got && typeof got.consentUrl === 'string' && got.consentUrl !== '')
        return { ok: false, consent: { provider: request.provider, url: got.consentUrl } };
      if (!('token' in got) || typeof got.token !== 'string' || got.token === '') throw new Error('the identity gave no token.');
      values[name] = got.token;
    } catch (error) {
      const message = `The credential "${name}" could not be had: ${messageOf(error)}`;
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
  return { ok: true, secrets: new Secrets(values) };
}

const notGranted = (tool: string, more: string): Failure => ({
  code: 'NOT_PERMITTED',
  message: `${tool} needs ${more}, which this agent was not granted.`,
  retryable: false,
  attempts: 0,
  outcome: 'not-run',
});
