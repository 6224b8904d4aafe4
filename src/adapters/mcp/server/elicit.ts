/** Approvals as elicitations of MCP, which the client puts before its person, and the answers as decisions. */
import type { ElicitRequestFormParams } from '@modelcontextprotocol/sdk/types.js';
import type { Approval } from '../../../hitl/approvals.ts';
import { type Json, type JsonObject, jsonIn } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import type { Decision } from '../../../ports/tool.ts';
import { asked } from './decide.ts';

/** What the client can show. */
export interface Shows {
  readonly form: boolean;
  readonly url: boolean;
}

/** `elicitation: {}` of a client means forms. */
export function showsOf(capabilities: { elicitation?: { form?: unknown; url?: unknown } | undefined } | undefined): Shows {
  const { elicitation } = capabilities ?? {};
  const url = elicitation?.url !== undefined;
  return { url, form: elicitation !== undefined && (elicitation.form !== undefined || !url) };
}

export type Elicitation =
  | ({ mode: 'form' } & Pick<ElicitRequestFormParams, 'message' | 'requestedSchema'>)
  | { mode: 'url'; message: string; url: string };

export interface ElicitAnswer {
  readonly action?: unknown;
  readonly content?: unknown;
}

/**
 * What to ask the client's person for an approval; undefined if the client cannot show it, or its person must not decide: where roles are
 * needed, the requester is not the one who approves.
 */
export function elicitationOf(approval: Approval, shows: Shows): Elicitation | undefined {
  if (approval.roles) return undefined;
  const message = asked(approval);
  if (approval.kind === 'consent') return shows.url ? { mode: 'url', message, url: approval.url } : undefined;
  if (!shows.form) return undefined;
  if (approval.kind === 'question')
    return approval.allow.includes('respond') ? { mode: 'form', message, requestedSchema: formOf(approval.answer).schema } : undefined;
  const decisions = approval.allow.filter((type) => type === 'approve' || type === 'reject');
  if (!decisions.includes('approve')) return undefined;
  return {
    mode: 'form',
    message,
    requestedSchema: {
      type: 'object',
      properties: {
        decision: { type: 'string', title: 'Decision', enum: decisions },
        reason: { type: 'string', title: 'Reason', description: 'Why it is rejected' },
      },
      required: ['decision'],
    },
  };
}

/** The decision that an answer stands for; undefined if the person decided nothing. A consent is decided where it is given, never here. */
export function decisionOf(approval: Approval, answer: ElicitAnswer): Decision | undefined {
  const { action } = answer;
  const { id } = approval;
  const content = isObject(answer.content) ? answer.content : {};
  const reject = (reason: string): Decision | undefined =>
    approval.allow.includes('reject') ? { approval: id, type: 'reject', reason } : undefined;
  if (action === 'decline') return reject('declined');
  if (action !== 'accept' || approval.kind === 'consent') return undefined;
  if (approval.kind === 'question') {
    const value = formOf(approval.answer).valueOf(content);
    return value === undefined ? undefined : { approval: id, type: 'respond', answer: value };
  }
  if (content.decision === 'reject')
    return reject(typeof content.reason === 'string' && content.reason !== '' ? content.reason : 'rejected');
  return content.decision === 'approve' ? { approval: id, type: 'approve' } : undefined;
}

const PRIMITIVE = ['string', 'number', 'integer', 'boolean'];

/** A form has the fields of a flat object; anything else is one field, which holds JSON if it is not a primitive. */
function formOf(answer: unknown): {
  schema: ElicitRequestFormParams['requestedSchema'];
  valueOf(content: JsonObject): Json | undefined;
} {
  const given = isObject(answer) ? answer : { type: 'string' };
  const texts = Array.isArray(given.enum) && given.enum.every((one) => typeof one === 'string');
  const schema: JsonObject = given.type === undefined && texts ? { type: 'string', ...given } : given;
  const fields = isObject(schema.properties) ? Object.values(schema.properties) : [];
  const primitive = (field: unknown) => isObject(field) && PRIMITIVE.includes(field.type as string);
  // a list of choices
  const fits = (field: unknown) =>
    primitive(field) || (isObject(field) && field.type === 'array' && isObject(field.items) && !('properties' in field.items));
  if (schema.type === 'object' && fields.length > 0 && fields.every(fits)) {
    const { properties, required } = schema as { properties: object; required?: string[] };
    const flat = { type: 'object', properties, ...(required && { required }) };
    return { schema: flat as ElicitRequestFormParams['requestedSchema'], valueOf: (content) => content };
  }
  const plain = primitive(schema);
  const field = plain ? schema : { type: 'string', description: `JSON of this schema: ${JSON.stringify(schema)}` };
  const form = { type: 'object', properties: { answer: field }, required: ['answer'] };
  return {
    schema: form as unknown as ElicitRequestFormParams['requestedSchema'],
    valueOf: ({ answer: value }) => (plain ? value : typeof value === 'string' ? jsonIn(value) : undefined),
  };
}
