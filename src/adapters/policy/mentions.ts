/** What a policy says: which tools it is about, and which parts of the context it looks at. */
import type { Expr, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

/** Names, or all of them. */
export class Names {
  all = false;
  readonly names = new Set<string>();

  add(name: string | undefined): void {
    if (name === undefined) this.all = true;
    else this.names.add(name);
  }

  has(name: string): boolean {
    return this.all || this.names.has(name);
  }
}

export interface Mentions {
  /** Of the context: `input`, `agent`, `system`. */
  readonly context: Names;
  /** Arguments of the tool. */
  readonly input: Names;
  /** Units of amounts. */
  readonly amount: Names;
  /** Arguments that are compared with a text. */
  readonly compared: readonly { readonly name: string; readonly text: string }[];
}

interface Noted {
  path(path: readonly string[]): void;
  compared(name: string, text: string): void;
}

/** What the conditions of a policy look at. What is not among it can be left out of a request, and the decision is the same. */
export function mentionsOf({ conditions }: PolicyJson): Mentions {
  const compared: { name: string; text: string }[] = [];
  const found = { context: new Names(), input: new Names(), amount: new Names(), compared };
  const note = ([first, second]: readonly string[]) => {
    found.context.add(first);
    if (first === undefined || first === 'input') found.input.add(second);
    if (first === undefined || first === 'amount') found.amount.add(second);
  };
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const path = pathOf(node as Expr);
    if (path) note(path);
    else for (const operand of operandsOf(node, { path: note, compared: (name, text) => compared.push({ name, text }) })) walk(operand);
  };
  for (const { body } of conditions) walk(body);
  return found;
}

/** What an expression is made of. */
function operandsOf(node: object, noted: Noted): readonly unknown[] {
  if (Array.isArray(node)) return node;
  const [[kind, inside] = ['Value', undefined]] = Object.entries(node) as [string, unknown][];
  if (kind === 'Value' || typeof inside !== 'object' || inside === null) return [];
  if (kind === 'Record' || Array.isArray(inside)) return Object.values(inside);
  const { left, right, arg, if: test, then: yes, else: no, in: within, attr } = inside as Record<string, unknown>;
  const of = kind === 'has' ? pathOf(left as Expr) : undefined;
  if (of) noted.path([...of, ...[attr as string | string[]].flat()]);
  if (kind === '==' || kind === '!=') {
    for (const [one, other] of [
      [left, right],
      [right, left],
    ] as const) {
      const [part, name, ...deeper] = pathOf(one as Expr) ?? [];
      const { Value: text } = other as { Value?: unknown };
      if (part === 'input' && name !== undefined && deeper.length === 0 && typeof text === 'string') noted.compared(name, text);
    }
  }
  return of ? [] : [left, right, arg, test, yes, no, within];
}

/** `['input', 'amount']` for `context.input.amount`; undefined for anything else than a part of the context. */
function pathOf(expression: Expr): readonly string[] | undefined {
  const steps: string[] = [];
  let at: unknown = expression;
  for (;;) {
    const { Var: variable, '.': access } = at as { Var?: unknown; '.'?: { left?: unknown; attr?: unknown } };
    if (variable === 'context') return steps.reverse();
    if (typeof access !== 'object' || typeof access.attr !== 'string' || typeof access.left !== 'object' || access.left === null)
      return undefined;
    steps.push(access.attr);
    at = access.left;
  }
}

/** Whether the head of a policy is about an action with these names: its own, and those of its groups. */
export function isAbout({ action }: PolicyJson, names: ReadonlySet<string>): boolean {
  if (action.op === 'All') return true;
  const entities = 'entities' in action ? action.entities : 'entity' in action ? [action.entity] : [];
  return entities.some((one) => names.has('__entity' in one ? one.__entity.id : one.id));
}

/** The gateway that the head of a policy names; undefined if it is about all of them. */
export function gatewayOf({ resource }: PolicyJson): string | undefined {
  const named = 'entity' in resource ? resource : 'in' in resource ? resource.in : undefined;
  const entity = named && 'entity' in named ? named.entity : undefined;
  return entity && ('__entity' in entity ? entity.__entity.id : entity.id);
}
