/**
 * Resources and prompts of the targets of a gateway. A prompt is `target___name`; a resource is `gateway:target/` and its URI in the target, so that two
 * targets may have one of the same URI. Each read is a call of the target's tool that reads, behind the gateway's door.
 */
import { definition } from '../../loop/tools/tool.ts';
import type { ListedPrompt, ListedResource, ListedTemplate, MaterialCall, MaterialCaller, MaterialRequest } from '../../ports/materials.ts';
import type { Materials, Tool } from '../../ports/tool.ts';
import { inTime } from '../../reliability/patience.ts';
import { fullName, nameIn, SEPARATOR } from './names.ts';
import type { GatewayTool, Offered } from './offered.ts';
import type { Shown } from './offers.ts';
import type { Target } from './target.ts';

const SCHEME = 'gateway:';
const METHODS: readonly MaterialRequest['method'][] = ['resources/read', 'prompts/get', 'completion/complete'];

const INNER = new RegExp(`^${SCHEME}([^/]+)/(.+)$`, 's');

const startOf = (target: string) => `${SCHEME}${target}/`;

/** The URI of a target's resource, or template, in the gateway. */
export const outerUri = (target: string, uri: string): string => startOf(target) + uri;

/** The target and its own URI; undefined for one that is not of a gateway. */
export function innerUri(uri: string): { target: string; uri: string } | undefined {
  const [, target, inner] = INNER.exec(uri) ?? [];
  return target === undefined || inner === undefined ? undefined : { target, uri: inner };
}

export interface PassingTarget {
  readonly offered: Offered;
  readonly target: Target;
}

/** The resources and prompts of these targets, as far as the caller may be shown the tools that read them. */
export class GatewayMaterials implements Materials {
  readonly #targets: readonly PassingTarget[];
  readonly #offers: Shown;
  readonly #patience: number;

  constructor(targets: readonly PassingTarget[], offers: Shown, patience: number) {
    this.#targets = targets;
    this.#offers = offers;
    this.#patience = patience;
  }

  resources(o: MaterialCaller): Promise<readonly ListedResource[]> {
    return this.#listed('resources/read', (from) => from.resources(o), {
      named: ({ uri }) => uri,
      outer: (target, one) => ({ ...one, uri: outerUri(target, one.uri) }),
    });
  }

  templates(o: MaterialCaller): Promise<readonly ListedTemplate[]> {
    return this.#listed('resources/read', (from) => from.templates(o), {
      named: ({ uriTemplate }) => uriTemplate,
      outer: (target, one) => ({ ...one, uriTemplate: outerUri(target, one.uriTemplate) }),
    });
  }

  prompts(o: MaterialCaller): Promise<readonly ListedPrompt[]> {
    return this.#listed('prompts/get', (from) => from.prompts(o), {
      named: ({ name }) => name,
      outer: (target, one) => ({ ...one, name: fullName(target, one.name) }),
    });
  }

  async tools(): Promise<readonly Tool[]> {
    return (await this.readers()).map(({ tool }) => tool);
  }

  /** The tools that read, of all targets that can be reached. */
  async readers(): Promise<readonly GatewayTool[]> {
    return each(this.#targets, (one) => this.#readersOf(one));
  }

  /** The tool of this name; undefined if it is none that reads. */
  async find(name: string): Promise<GatewayTool | undefined> {
    const target = METHODS.some((method) => isReader(name, method)) && this.#targets.find((one) => nameIn(one.offered.target, name));
    return target ? (await this.#readersOf(target)).find((reader) => reader.fullName === name) : undefined;
  }

  async callOf(request: MaterialRequest, o: MaterialCaller): Promise<MaterialCall | undefined> {
    for (const one of this.#targets) {
      const inner = innerOf(request, one.offered.target);
      if (!inner) continue;
      const { materials } = await one.target.opened();
      const call = await materials?.callOf(inner, o);
      const reader = call && (await this.#readersOf(one)).find(({ name }) => name === call.tool);
      if (!call || !reader) return undefined;
      const outer = (uri: string) => outerUri(one.offered.target, call.outer?.(uri) ?? uri);
      return { tool: reader.tool.name, input: call.input, outer };
    }
    return undefined;
  }

  /** What the targets have whose tool for it is offered. One that fails or hangs is left out. */
  async #listed<T>(
    method: 'resources/read' | 'prompts/get',
    list: (from: Materials) => Promise<readonly T[]>,
    { named, outer }: { named: (one: T) => string; outer: (target: string, one: T) => T },
  ): Promise<readonly T[]> {
    const asked = await each(this.#targets, async (one) => {
      const readers = await this.#readersOf(one);
      return [{ one, readers: readers.filter(({ name }) => isReader(name, method)) }];
    });
    const shown = new Set(await this.#offers(asked.flatMap(({ readers }) => readers)));
    return each(asked, async ({ one, readers }) => {
      const starts = readers.filter((reader) => shown.has(reader)).map(({ name }) => startFor(name, method));
      if (starts.length === 0) return [];
      const { materials } = await one.target.opened();
      const items = await this.#soon(materials ? list(materials) : [], `for its ${method.split('/')[0]}`);
      return items.filter((item) => starts.some((start) => named(item).startsWith(start))).map((item) => outer(one.offered.target, item));
    });
  }

  async #readersOf({ offered, target }: PassingTarget): Promise<readonly GatewayTool[]> {
    const { materials } = await target.opened();
    const tools = await this.#soon(materials?.tools() ?? [], 'what reads');
    return tools.map((tool) => offered.of(definition(tool)));
  }

  #soon<T>(answer: T | Promise<T>, what: string): Promise<T> {
    return inTime(answer, this.#patience, `the target, asked ${what},`);
  }
}

/** What all of these have, in order. One that fails is left out. */
async function each<T, R>(from: readonly T[], ask: (one: T) => Promise<readonly R[]>): Promise<readonly R[]> {
  const all = await Promise.allSettled(from.map(ask));
  return all.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
}

/** Whether a tool of this name reads so. Those of a gateway that is a target have the names of its targets before the method. */
const isReader = (name: string, method: MaterialRequest['method']): boolean => name === method || name.endsWith(fullName('', method));

/** How the URIs, or the names of prompts, begin that a tool of this name reads. */
function startFor(name: string, method: 'resources/read' | 'prompts/get'): string {
  const targets = name.split(SEPARATOR).slice(0, -1);
  return targets.map((target) => (method === 'prompts/get' ? fullName(target, '') : startOf(target))).join('');
}

/** A request as the target gets it; undefined if it is not for this target. */
function innerOf(request: MaterialRequest, target: string): MaterialRequest | undefined {
  const uriIn = (uri: string) => (uri.startsWith(startOf(target)) ? uri.slice(startOf(target).length) : undefined);
  if (request.method === 'resources/read') {
    const uri = uriIn(request.params.uri);
    return uri === undefined ? undefined : { ...request, params: { uri } };
  }
  if (request.method === 'prompts/get') {
    const name = nameIn(target, request.params.name);
    return name === undefined ? undefined : { ...request, params: { ...request.params, name } };
  }
  const { ref } = request.params;
  if (ref.type === 'ref/prompt') {
    const name = nameIn(target, ref.name);
    return name === undefined ? undefined : { ...request, params: { ...request.params, ref: { ...ref, name } } };
  }
  const uri = uriIn(ref.uri);
  return uri === undefined ? undefined : { ...request, params: { ...request.params, ref: { ...ref, uri } } };
}
