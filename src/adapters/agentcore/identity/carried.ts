/** What a consent carries over the provider and back, in the state of the return URL: enough to end it in any process. It is not trusted. */
import { sha256 } from '../../../journal/canonical.ts';

/** Of a request for a token of a user. A type, so that the compiler knows it as JSON. */
export type Carried = {
  runId: string;
  provider: string;
  scopes: readonly string[];
  resources: readonly string[];
  audiences: readonly string[];
  /** What the workload token was made for, and the SHA-256 of it. `none`: the platform made it, and did not say. */
  by: 'token' | 'id' | 'none';
  hash: string;
};

/** Of the service, in characters. */
const LONGEST = 4_096;

/** Undefined if it is too long for the service. */
export function carriedText({ runId, provider, scopes, resources, audiences, by, hash }: Carried): string | undefined {
  const text = Buffer.from(JSON.stringify([1, runId, provider, scopes, resources, audiences, by, hash])).toString('base64url');
  return text.length > LONGEST ? undefined : text;
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText);

/** Undefined if it was not written by `carriedText`. */
export function carriedIn(text: string): Carried | undefined {
  try {
    const read: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (!Array.isArray(read) || read[0] !== 1) return undefined;
    const [, runId, provider, scopes, resources, audiences, by, hash] = read as readonly unknown[];
    if (!isText(runId) || !isText(provider) || !isTexts(scopes) || !isTexts(resources) || !isTexts(audiences) || !isText(hash))
      return undefined;
    return by === 'token' || by === 'id' || by === 'none' ? { runId, provider, scopes, resources, audiences, by, hash } : undefined;
  } catch {
    return undefined;
  }
}

export const hashOf = (artefact: string): string => sha256(artefact);
