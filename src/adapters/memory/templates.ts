/** Templates of namespaces: paths with variables, such as `/facts/{actorId}/`. */
import { invalid } from '../../errors.ts';
import { nearest } from '../../options.ts';

/** Most characters of a template. */
const LONGEST = 512;
/** The variables that every event has; the application gives values for others. */
const KNOWN = ['actorId', 'sessionId', 'memoryStrategyId'];
const VARIABLE = /\{([^{}]*)\}/g;

/** A template with its values in place, or the variables that have none. */
export type Filled = { readonly namespace: string } | { readonly missing: readonly string[] };

export const variablesOf = (template: string): string[] => [...new Set([...template.matchAll(VARIABLE)].map(([, name]) => name as string))];

/**
 * Checks a template where it is declared.
 * @param where the owner in messages, such as `strategy "facts"`.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function checkTemplate(template: unknown, where: string): string {
  const refuse = (why: string) => invalid(`${where}: the namespace ${JSON.stringify(template)} ${why}. For example: /facts/{actorId}/`);
  if (typeof template !== 'string' || template === '') throw invalid(`${where}: a namespace is a text such as /facts/{actorId}/`);
  if (template.length > LONGEST) throw invalid(`${where}: a namespace has at most ${LONGEST} characters.`);
  if (!template.startsWith('/')) throw refuse('must begin with /');
  // without it, /facts/ana would also be the beginning of /facts/anabel
  if (!template.endsWith('/')) throw refuse('must end with /');
  if (template.includes('//')) throw refuse('has an empty segment');
  if (/[{}]/.test(template.replace(VARIABLE, ''))) throw refuse('has a brace without its other half');
  const odd = variablesOf(template).find((name) => !/^[a-zA-Z][a-zA-Z0-9_]{0,31}$/.test(name));
  if (odd !== undefined) throw refuse(`has the variable {${odd}}, and a name is 1 to 32 letters, digits and _`);
  for (const name of variablesOf(template)) {
    const meant = KNOWN.includes(name) ? undefined : nearest(name, KNOWN);
    if (meant !== undefined)
      throw refuse(
        `has the variable {${name}}. Did you mean {${meant}}? There are ${KNOWN.map((one) => `{${one}}`).join(', ')}, and your own by other names`,
      );
  }
  return template;
}

/** Puts values in place. A value that is empty, or that would add segments or a variable, counts as missing. */
export function fill(template: string, values: Readonly<Record<string, string | undefined>>): Filled {
  const value = (name: string) => (Object.hasOwn(values, name) ? values[name] : undefined);
  const missing = variablesOf(template).filter((name) => !isSegment(name, value(name)));
  if (missing.length > 0) return { missing };
  return { namespace: template.replace(VARIABLE, (_, name: string) => value(name) as string) };
}

// AWS allows `/` within an actor's id
const isSegment = (name: string, value: string | undefined): value is string =>
  value !== undefined && value !== '' && !/[{}]/.test(value) && (name === 'actorId' || !value.includes('/'));

/** The part of a template before a variable: `/summaries/{actorId}/{sessionId}/` before `sessionId` is `/summaries/{actorId}/`. */
export function before(template: string, variable: string): string {
  const at = template.indexOf(`{${variable}}`);
  return at < 0 ? template : template.slice(0, template.lastIndexOf('/', at) + 1);
}
