/** The policies of an application: parsed, named, and each fault with its place. */
import type { DetailedError, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Cedar } from './cedar.ts';
import { parseHelp } from './help.ts';
import { type Mentions, mentionsOf } from './mentions.ts';
import { statementsOf } from './statements.ts';

/** Policies in Cedar: a text with any number of them, a list of texts, or texts by name. */
export type PolicyTexts = string | readonly string[] | { readonly [name: string]: string };

/** What is wrong with a policy, and where. */
export interface PolicyFault {
  /** The policy's id. */
  policy: string;
  /** From 1, in the text that was given. */
  line: number;
  column: number;
  message: string;
}

export interface Parsed {
  readonly id: string;
  readonly text: string;
  /** The same, about all actions. */
  readonly anyAction: string;
  readonly json: PolicyJson;
  readonly mentions: Mentions;
  /** A fault of this policy. @param near a part of its text where the fault is, if the error does not say. */
  fault(error: DetailedError, near?: string): PolicyFault;
}

export interface ParsedSet {
  readonly policies: readonly Parsed[];
  readonly faults: readonly PolicyFault[];
}

/**
 * A policy's id is its annotation `@id("...")`; else the name of its text, with a number if the text has several; else `policy0`, `policy1` and so on.
 */
export function parsed(module: Cedar, given: PolicyTexts): ParsedSet {
  const sources: readonly (readonly [name: string, text: string])[] =
    typeof given === 'string' ? [['', given]] : Array.isArray(given) ? given.map((text: string) => ['', text]) : Object.entries(given);
  const policies = new Map<string, Parsed>();
  const faults: PolicyFault[] = [];
  let unnamed = 0;
  for (const [name, source] of sources) {
    const { statements, faults: refused } = statementsOf(source);
    for (const [i, { text, start, anyAction }] of statements.entries()) {
      const own = name === '' ? `policy${unnamed++}` : statements.length === 1 ? name : `${name}.${i}`;
      const at = (offset: number, message: string, policy = own): PolicyFault => ({ policy, ...place(source, start + offset), message });
      const unparsed = (error: DetailedError): PolicyFault => {
        const offset = offsetOf(text, error);
        return at(offset, told(parseHelp(error, text.slice(0, offset)), own));
      };
      const bad = refused.find((fault) => fault.at >= start && fault.at <= start + text.length);
      const answer = bad ? undefined : module.policyToJson(text);
      if (bad) faults.push(at(bad.at - start, bad.message));
      else if (answer?.type === 'failure') faults.push(...answer.errors.map(unparsed));
      if (answer?.type !== 'success') continue;
      const { json } = answer;
      const id = json.annotations?.id ?? own;
      if (policies.has(id)) faults.push(at(0, 'another policy has this id; give each its own: @id("...")', id));
      policies.set(id, {
        id,
        text,
        anyAction,
        json,
        mentions: mentionsOf(json),
        fault: (error, near) => at(near === undefined ? offsetOf(text, error) : Math.max(0, text.indexOf(near)), told(error, id), id),
      });
    }
  }
  return { policies: [...policies.values()], faults };
}

/** The place of a fault in the text, in characters: the engine counts the bytes of UTF-8. */
function offsetOf(text: string, { sourceLocations }: DetailedError): number {
  const bytes = sourceLocations?.[0]?.start ?? 0;
  return Buffer.from(text).subarray(0, bytes).toString().length;
}

function place(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1) as string).length + 1 };
}

/** The engine's words, without the policy's id, which is told beside. */
function told({ message, help }: DetailedError, id: string): string {
  const plain = message
    .replace(`for policy \`${id}\`, `, '')
    .replace(/^failed to parse policy from string: /, '')
    .replace(/^failed to parse policy( with id `.*?`)? from string: /, '');
  return help ? `${plain}: ${help}` : plain;
}

/** `shop.0, line 3, column 5: ...`. */
export const toldFault = ({ policy, line, column, message }: PolicyFault): string =>
  `policy ${JSON.stringify(policy)}, line ${line}, column ${column}: ${message}`;
