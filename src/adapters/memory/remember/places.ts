/** The namespaces of a principal, from the templates of `remember()`. */
import type { Principal } from '../../../ports/principal.ts';
import { before, fill, variablesOf } from '../templates.ts';

/** What `remember()` was declared with, checked. */
export interface Templates {
  /** Records of these are recalled. */
  readonly recalled: readonly string[];
  /** Records of these are found by search only. */
  readonly searched: readonly string[];
  /** Summaries of sessions. */
  readonly summaries: string | undefined;
  /** What the tool `remember` adds. */
  readonly notes: string;
}

export interface Whose {
  readonly by: Principal;
  readonly actor: string;
  /** Values of variables of the application's own. */
  readonly values: Readonly<Record<string, string>>;
}

/** A template with the values of a principal, over all of its sessions; or what is missing. */
export interface Place {
  readonly template: string;
  readonly namespace?: string;
  readonly missing?: readonly string[];
}

/** The part of a template before `{sessionId}` is over all sessions. */
export const placeOf = (template: string, { actor, values }: Whose): Place => ({
  template,
  ...fill(before(template, 'sessionId'), { ...values, actorId: actor }),
});

/** A namespace of one principal alone: others have other actors. */
export const isOwn = (template: string): boolean => variablesOf(before(template, 'sessionId')).includes('actorId');

/** Namespaces that have their values, each once, without those inside of another. */
export function namespacesOf(templates: readonly string[], whose: Whose): string[] {
  const all = [...new Set(templates.flatMap((template) => placeOf(template, whose).namespace ?? []))];
  return all.filter((one) => !all.some((other) => other !== one && one.startsWith(other)));
}

export const templatesOf = ({ recalled, searched, summaries, notes }: Templates): string[] => [
  ...recalled,
  ...searched,
  ...(summaries === undefined ? [] : [summaries]),
  notes,
];
