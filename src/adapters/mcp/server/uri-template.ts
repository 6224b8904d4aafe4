/** Templates of URIs, as RFC 6570 has them: `{name}` for a part without `/`, `?` and `#`, and `{+name}`, last, for the rest. */
import { invalid } from '../../../errors.ts';

export interface UriTemplate {
  readonly variables: readonly string[];
  /** @returns the values of the variables, decoded; undefined if the URI is not of this template. */
  match(uri: string): { readonly [name: string]: string } | undefined;
}

const EXPRESSION = /\{([^{}]*)\}/g;

export const isTemplate = (uri: string): boolean => /[{}]/.test(uri);

/** A variable, and the text after it. */
interface Step {
  readonly name: string;
  readonly rest: boolean;
  after: string;
}

/** @throws RondoError `CONFIG_INVALID` for a form that it does not know. */
export function uriTemplate(template: string, where: string): UriTemplate {
  const wrong = (why: string) =>
    invalid(`${where}: the template ${JSON.stringify(template)} ${why}. Write one such as "order://{id}/lines".`);
  if (isTemplate(template.replace(EXPRESSION, ''))) throw wrong('has a brace without its other half');
  let before: string | undefined;
  let end = 0;
  const steps: Step[] = [];
  for (const { 0: expression, 1: inner = '', index } of template.matchAll(EXPRESSION)) {
    const literal = template.slice(end, index);
    const last = steps.at(-1);
    if (last) last.after = literal;
    else before = literal;
    if (last && literal === '') throw wrong('has two variables with nothing between them');
    const [, rest, name] = /^(\+?)([A-Za-z_][A-Za-z0-9_]*)$/.exec(inner) ?? [];
    if (name === undefined) throw wrong(`has ${expression}; a variable is {name}, or {+name} for the rest of the URI`);
    if (steps.some((step) => step.name === name)) throw wrong(`has the variable ${name} twice`);
    end = index + expression.length;
    if (rest && end < template.length) throw wrong(`has something after {+${name}}, which stands for the rest of the URI`);
    steps.push({ name, rest: rest === '+', after: template.slice(end) });
  }
  const beginning = before ?? template;
  return {
    variables: steps.map(({ name }) => name),
    match: (uri) => (uri.startsWith(beginning) ? valuesOf(steps, uri, beginning.length) : undefined),
  };
}

/** Each variable ends where the text after it comes first, so that no URI is tried twice. */
function valuesOf(steps: readonly Step[], uri: string, start: number): { readonly [name: string]: string } | undefined {
  const values: [string, string][] = [];
  let at = start;
  for (const [i, { name, rest, after }] of steps.entries()) {
    const end = i < steps.length - 1 ? uri.indexOf(after, at + 1) : uri.length - after.length;
    if (end <= at || !uri.startsWith(after, end)) return undefined;
    const value = uri.slice(at, end);
    if (!rest && /[/?#]/.test(value)) return undefined;
    try {
      values.push([name, decodeURIComponent(value)]);
    } catch {
      // not a URI
      return undefined;
    }
    at = end + after.length;
  }
  return Object.fromEntries(values);
}
