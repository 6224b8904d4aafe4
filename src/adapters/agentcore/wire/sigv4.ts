/** Signatures of the requests of the local server. The service name of AgentCore is `bedrock-agentcore` on both planes. */
import type { Signable, SigningKeys } from '../../../server/sigv4.ts';
import { checkSignature, mayBeSigned as mayBe, SignatureError } from '../../../server/sigv4-check.ts';
import { AwsError, because } from './codec/error.ts';

/** With a session token, that is required with the key. */
export interface Keys extends SigningKeys {
  /** 12 digits. A key of another account than the server's is refused. Default: the server's. */
  readonly account?: string;
}

export interface Signed extends Signable {
  readonly body: Uint8Array;
}

export const ACCOUNT = '123456789012';
const SERVICE = 'bedrock-agentcore';

/** The key that signed a request, and the region. @throws AwsError which names the rule that refused it. */
export function verified(request: Signed, keys: readonly Keys[], now: number, service = SERVICE): { keys: Keys; region: string } {
  try {
    return checkSignature(request, keys, now, service);
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error;
    const refused = new AwsError(error.name, error.message);
    throw error.because === undefined ? refused : because(refused, error.because);
  }
}

/** Whether a request has a signature of a known key whose time is right. The signature itself is not checked: that needs the body. */
export const mayBeSigned = (request: Signed, keys: readonly Keys[], now: number): boolean => mayBe(request, keys, now, SERVICE);
