/** Users of this application as AgentCore knows them, by one text of at most 128 characters. */
import { sha256 } from '../../../journal/canonical.ts';
import type { Principal } from '../../../ports/principal.ts';

const LONGEST = 128;

/**
 * The user id of a principal: its id, with its tenant before it if it has one. Two principals never have the same. An application that names its
 * user to a runtime, or completes a consent itself, takes it from here.
 */
export function userIdOf({ id, tenant = '' }: Pick<Principal, 'id' | 'tenant'>): string {
  // an id that looks like one of the other forms gets the form of an empty tenant
  const plain = tenant === '' && !/^(tenant|sha256):/.test(id);
  const text = plain ? id : `tenant:${encodeURIComponent(tenant)}:${id}`;
  return [...text].length > LONGEST ? `sha256:${sha256(text)}` : text;
}
