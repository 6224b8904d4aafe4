/** An approval of a remote Rondo run as the question of a foreign agent. It is untrusted: it is shown to people and decides nothing. */

import { plainJson } from '../json.ts';
import { cut } from '../json-schema/size.ts';
import type { Ask } from '../ports/foreign.ts';
import type { DecisionType } from '../ports/tool.ts';
import type { JsonSchema } from '../schema.ts';

/** Limits on untrusted input: characters of an id and a text, and approvals in one message. Far above normal use. */
export const LIMIT = { id: 256, text: 10_000, asks: 50 } as const;

const KINDS: readonly DecisionType[] = ['approve', 'edit', 'reject', 'respond'];
/** Ten years in milliseconds. A later expiry is ignored. */
const LATEST = 315_576_000_000;

/** @param strange makes the error for an approval that makes no sense. */
export function askOf(value: unknown, strange: (what: string) => Error): Ask {
  const a = (typeof value === 'object' && value !== null ? value : {}) as { [k: string]: unknown };
  if (!isText(a.id, LIMIT.id)) throw strange('an approval without an id');
  const allow = Array.isArray(a.allow) ? KINDS.filter((k) => (a.allow as unknown[]).includes(k)) : [];
  const ask = {
    id: a.id,
    ...(typeof a.reason === 'string' && { reason: cut(a.reason, LIMIT.text) }),
    ...(allow.length > 0 && { allow }),
    ...rolesOf(a.roles, strange),
    ...expiryOf(a.expiresAt),
  };
  if (a.kind === 'tool' && isText(a.tool, LIMIT.id)) return { ...ask, kind: 'tool', tool: a.tool, input: plainJson(a.input) ?? null };
  if (a.kind === 'question' && isText(a.question, LIMIT.text)) {
    const schema = typeof a.answer === 'object' && a.answer !== null ? (plainJson(a.answer) as JsonSchema) : undefined;
    return { ...ask, kind: 'question', question: a.question, ...(schema && { answer: schema }) };
  }
  const url = a.kind === 'consent' ? webAddress(a.url) : undefined;
  if (url && isText(a.provider, LIMIT.id)) return { ...ask, kind: 'consent', provider: a.provider, url };
  throw strange(`an approval of kind ${JSON.stringify(a.kind)?.slice(0, 50)}`);
}

function expiryOf(at: unknown): { expires?: number } {
  const expires = typeof at === 'number' ? at - Date.now() : Number.NaN;
  return expires > 0 && expires < LATEST ? { expires } : {};
}

/** The roles that the remote run requires. It would refuse the answer of anyone else. */
function rolesOf(roles: unknown, strange: (what: string) => Error): { roles?: readonly string[] } {
  if (roles === undefined || roles === null) return {};
  if (!Array.isArray(roles) || roles.length === 0 || roles.length > LIMIT.asks || !roles.every((role) => isText(role, LIMIT.id)))
    throw strange('an approval with roles that are none');
  return { roles };
}

const isText = (value: unknown, max: number): value is string => typeof value === 'string' && value !== '' && value.length <= max;

/** An http or https URL, which is safe to open in a browser; undefined for any other value. */
export function webAddress(value: unknown): string | undefined {
  if (typeof value !== 'string' || !URL.canParse(value)) return undefined;
  const url = new URL(value);
  return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : undefined;
}
