/** A model of Smithy 2.0 in its JSON form: its shapes, its service, and the operations of that. */
import { invalid, type RondoError } from '../../../../../errors.ts';
import type { Json, JsonObject } from '../../../../../json.ts';
import { isObject } from '../../../../../json-schema/keywords.ts';

/** How errors begin, which are the reasons of a target that has failed. */
export const WHERE = 'smithyModel';

export type Traits = JsonObject;

/** A member of a shape. Its traits come before those of the shape that it leads to. */
export interface Member {
  readonly target: string;
  readonly traits: Traits;
}

export interface Shape {
  readonly id: string;
  readonly type: string;
  readonly traits: Traits;
  readonly members: Readonly<Record<string, Member>>;
  /** All of it. */
  readonly node: JsonObject;
}

const PRELUDE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    String: 'string',
    Blob: 'blob',
    Timestamp: 'timestamp',
    Document: 'document',
    Unit: 'structure',
    BigInteger: 'bigInteger',
    BigDecimal: 'bigDecimal',
    ...Object.fromEntries(
      ['Boolean', 'Byte', 'Short', 'Integer', 'Long', 'Float', 'Double'].flatMap((name) => [
        [name, name.toLowerCase()],
        [`Primitive${name}`, name.toLowerCase()],
      ]),
    ),
  }),
);
/** Most mixins within one another. */
const DEEPEST = 100;
const API = 'smithy.api#';

export const wrong = (why: string): RondoError => invalid(`${WHERE}: ${why}`);
export const shortName = (id: string): string => id.slice(id.lastIndexOf('#') + 1);
const fieldsOf = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});
const targetsIn = (value: Json | undefined): string[] =>
  (Array.isArray(value) ? value : [value]).flatMap((one) => (isObject(one) && typeof one.target === 'string' ? [one.target] : []));

export class SmithyModel {
  readonly service: Shape;
  readonly #nodes: JsonObject;
  readonly #applied = new Map<string, Traits[]>();
  readonly #shapes = new Map<string, Shape>();

  /** @throws RondoError `CONFIG_INVALID` for what is not a model of one service. */
  constructor(text: string) {
    let model: unknown;
    try {
      model = JSON.parse(text);
    } catch (cause) {
      throw wrong(`the model is not JSON: ${(cause as Error).message}. Write it with: smithy ast model`);
    }
    const { smithy, shapes } = fieldsOf(model as Json);
    if (typeof smithy !== 'string' || !/^2(\.|$)/.test(smithy) || !isObject(shapes))
      throw wrong('the model is not the JSON form of Smithy 2.0, { "smithy": "2.0", "shapes": {} }. Write it with: smithy ast model');
    this.#nodes = shapes;
    const services: string[] = [];
    for (const [id, node] of Object.entries(shapes)) {
      const { type, traits } = fieldsOf(node);
      if (type === 'service') services.push(id);
      if (type === 'apply') this.#applied.set(id, [...(this.#applied.get(id) ?? []), fieldsOf(traits)]);
    }
    const [only] = services;
    if (only === undefined || services.length > 1) throw wrong(`the model has ${services.length} services. A target is one service.`);
    this.service = this.shape(only);
  }

  /** @throws RondoError `CONFIG_INVALID` for a shape that the model does not have. */
  shape(id: string): Shape {
    return this.#known(id, []);
  }

  /** The traits of a member, and below them those of what it leads to. */
  traitsOf({ target, traits }: Member): Traits {
    return { ...this.shape(target).traits, ...traits };
  }

  /** Those of the service, and of the resources within it. */
  operations(): Shape[] {
    const found = new Set<string>();
    const seen = new Set<string>();
    const waiting = [this.service.id];
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      if (seen.has(id)) continue;
      seen.add(id);
      const { node } = this.shape(id);
      for (const field of ['operations', 'create', 'put', 'read', 'update', 'delete', 'list', 'collectionOperations'])
        for (const target of targetsIn(node[field])) found.add(target);
      waiting.push(...targetsIn(node.resources));
    }
    return [...found].map((id) => this.shape(id));
  }

  /** The structure that an operation takes or answers. */
  structureOf({ node }: Shape, side: 'input' | 'output'): Shape | undefined {
    const [target] = targetsIn(node[side]);
    return target === undefined ? undefined : this.shape(target);
  }

  /** @param within the shapes of which it is a mixin. Each is read once, however many have it. */
  #known(id: string, within: readonly string[]): Shape {
    const known = this.#shapes.get(id);
    if (known) return known;
    const made = this.#read(id, within);
    this.#shapes.set(id, made);
    return made;
  }

  #read(id: string, within: readonly string[]): Shape {
    const prelude = id.startsWith(API) ? PRELUDE.get(id.slice(API.length)) : undefined;
    const node: Json | undefined =
      prelude === undefined ? (Object.hasOwn(this.#nodes, id) ? this.#nodes[id] : undefined) : { type: prelude };
    if (!isObject(node) || typeof node.type !== 'string') throw wrong(`the model has no shape ${JSON.stringify(id.slice(0, 200))}.`);
    if (within.includes(id)) throw wrong(`the mixins of ${id} lead back to it.`);
    if (within.length > DEEPEST) throw wrong(`${within[0]} has mixins of mixins, more than ${DEEPEST} deep.`);
    const mixed = targetsIn(node.mixins).map((mixin) => this.#known(mixin, [...within, id]));
    const members: Record<string, Member> = Object.assign(Object.create(null), ...mixed.map((mixin) => mixin.members));
    for (const [name, member] of Object.entries(this.#membersIn(node))) {
      const [target] = targetsIn(member);
      const traits = { ...members[name]?.traits, ...fieldsOf(fieldsOf(member).traits) };
      // the values of an enum lead to Unit
      members[name] = { target: target ?? `${API}Unit`, traits };
    }
    for (const name of Object.keys(members)) {
      const { target, traits } = members[name] as Member;
      members[name] = { target, traits: { ...traits, ...this.#appliedTo(`${id}$${name}`) } };
    }
    const inherited: Traits = Object.assign({}, ...mixed.map(({ traits }) => traits));
    const { 'smithy.api#mixin': _, ...kept } = inherited;
    return { id, type: node.type, node, members, traits: { ...kept, ...fieldsOf(node.traits), ...this.#appliedTo(id) } };
  }

  /** Of a list, a map and the rest, by name. */
  #membersIn(node: JsonObject): JsonObject {
    const { member, key, value } = node;
    return {
      ...(member !== undefined && { member }),
      ...(key !== undefined && { key }),
      ...(value !== undefined && { value }),
      ...fieldsOf(node.members),
    };
  }

  #appliedTo(id: string): Traits {
    return Object.assign({}, ...(this.#applied.get(id) ?? []));
  }
}

/** Documentation is in HTML. */
export function plainText(documentation: Json | undefined): string | undefined {
  if (typeof documentation !== 'string') return undefined;
  const text = documentation
    .replace(/<\/(p|li|h\d|dd|dt)>|<br\s*\/?>/gi, '\n')
    .replace(/<[^<>]*>/g, '')
    .replace(/&(lt|gt|quot|apos|nbsp|amp);/g, (_, name: string) => ENTITIES[name] as string)
    .replace(/[^\S\n]+/g, ' ')
    .replace(/ ?\n[ \n]*/g, '\n')
    .trim();
  return text === '' ? undefined : text;
}
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ', amp: '&' };
