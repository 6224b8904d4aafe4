import type { Json, JsonObject } from '../json.ts';
import { isObject, LIST, MAP, NESTED } from './keywords.ts';
import { nameOf } from './pointer.ts';

/** The base URI of a document without `$id`. */
const NOWHERE = 'schema:///';
/** Keywords that hold schemas for use by reference. */
const DEFINITIONS = ['$defs', 'definitions', 'dependencies'];

export interface Target {
  node: Json;
  /** The base URI of its references. */
  base: string;
}

/** Resolves references within one document, by URI. No other document is ever loaded. */
export class Refs {
  /** By URI. Undefined if two schemas have the same one, because the reference is ambiguous. */
  readonly #named = new Map<string, JsonObject | undefined>();
  readonly #bases = new Map<Json, string>();
  readonly #dynamic = new Map<string, number>();
  readonly #legacy: boolean;
  #recursive = 0;
  readonly root: string;

  /** @param legacy draft 7 or before: a `$ref` disables its siblings, and an `$id` may be an anchor. */
  constructor(document: JsonObject, legacy: boolean) {
    this.#legacy = legacy;
    this.#name(NOWHERE, document);
    this.#collect(document, NOWHERE);
    this.root = this.#bases.get(document) ?? NOWHERE;
  }

  /** The base URI of the references in a schema. */
  baseOf(node: Json, base: string): string {
    return this.#bases.get(node) ?? base;
  }

  /** @returns the URI and the target of `ref`; undefined if it is in another document or does not exist. */
  target(ref: string, base: string): (Target & { address: string }) | undefined {
    const address = resolved(ref, base);
    if (address === undefined) return undefined;
    const [resource = '', fragment = ''] = address.split('#', 2);
    const root = this.#named.get(resource);
    if (root === undefined) return undefined;
    if (fragment === '') return { address, node: root, base: resource };
    if (!fragment.startsWith('/')) {
      const node = this.#named.get(address);
      return node && { address, node, base: this.baseOf(node, resource) };
    }
    let at: Target = { node: root, base: resource };
    for (const part of fragment.slice(1).split('/')) {
      const name = nameOf(part);
      if (typeof at.node !== 'object' || at.node === null || !Object.hasOwn(at.node, name)) return undefined;
      const node = (at.node as { [k: string]: Json })[name] as Json;
      at = { node, base: this.baseOf(node, at.base) };
    }
    return { address, ...at };
  }

  /** Whether a `$dynamicRef` to this target may resolve to another one, depending on the path to it. */
  isDynamic({ node, address }: Target & { address: string }): boolean {
    const name = isObject(node) ? node.$dynamicAnchor : undefined;
    return typeof name === 'string' && address.endsWith(`#${name}`) && (this.#dynamic.get(name) ?? 0) > 1;
  }

  /** The same for `$recursiveRef`. */
  isRecursive({ node }: Target): boolean {
    return isObject(node) && node.$recursiveAnchor === true && this.#recursive > 1;
  }

  #collect(node: Json | undefined, above: string): void {
    if (!isObject(node)) return;
    let base = above;
    const { $id } = node;
    if (typeof $id === 'string' && !(this.#legacy && node.$ref !== undefined)) {
      const address = resolved($id, base);
      if (this.#legacy && $id.startsWith('#')) {
        if (address !== undefined) this.#name(address, node);
      } else if (address !== undefined) {
        base = address.replace(/#$/, '');
        this.#bases.set(node, base);
        this.#name(base, node);
      }
    }
    for (const anchor of [node.$anchor, node.$dynamicAnchor]) if (typeof anchor === 'string') this.#name(`${base}#${anchor}`, node);
    if (typeof node.$dynamicAnchor === 'string') this.#dynamic.set(node.$dynamicAnchor, (this.#dynamic.get(node.$dynamicAnchor) ?? 0) + 1);
    if (node.$recursiveAnchor === true) this.#recursive++;
    for (const keyword of [...NESTED, ...DEFINITIONS]) {
      const value = node[keyword];
      if (value === undefined) continue;
      if (LIST.has(keyword) || Array.isArray(value))
        for (const item of Array.isArray(value) ? value : []) this.#collect(item as Json, base);
      else if (MAP.has(keyword) || DEFINITIONS.includes(keyword)) {
        if (isObject(value)) for (const item of Object.values(value)) this.#collect(item, base);
      } else this.#collect(value, base);
    }
  }

  #name(address: string, node: JsonObject): void {
    const known = this.#named.get(address);
    this.#named.set(address, this.#named.has(address) && known !== node ? undefined : node);
  }
}

function resolved(ref: string, base: string): string | undefined {
  if (!URL.canParse(ref, base)) return undefined;
  // an empty fragment means the whole document
  return new URL(ref, base).href.replace(/#$/, '');
}
