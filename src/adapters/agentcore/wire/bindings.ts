/** What stands behind the ARNs and URIs that real set-up code names: a command for a container, a function for a Lambda. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { invalid } from '../../../errors.ts';

/** A process that serves the container contract. It is given its port in `PORT`. */
export interface Container {
  /** The program and its arguments, such as `['node', 'agent.ts']`. */
  readonly command: readonly [string, ...string[]];
  /** Default: the folder of the file of bindings. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * By `url:<https url>` with the address of this machine that stands behind it, such as that of an MCP server. By `container:<uri>`; and by `lambda:<arn>`, `model:<id>` and `connector:<id>` with a module and the name of its export, `./tools.ts#refund`. `model:default` is that of
 * what names no model. By `s3://<bucket>/<key>` and by `apigateway:<id>/<stage>`, the export of a REST API, with the path of a file.
 */
export type Bindings = Readonly<
  Record<`container:${string}`, Container> &
    Record<
      `lambda:${string}` | `model:${string}` | `connector:${string}` | `url:${string}` | `s3://${string}` | `apigateway:${string}`,
      string
    >
>;

/** An export of a module. */
export interface Exported {
  /** An absolute path. */
  readonly module: string;
  readonly name: string;
}

export interface Bound {
  /** @returns undefined if the URI is not bound. */
  container(uri: string): (Container & { cwd: string }) | undefined;
  lambda(arn: string): Exported | undefined;
  model(id: string): Exported | undefined;
  connector(id: string): Exported | undefined;
  /** The absolute path of the file behind a document, such as `s3://bucket/key` or `apigateway:id/stage`. */
  document(place: string): string | undefined;
  /** The address behind a URL, or behind what it begins with; the URL itself if nothing is bound. */
  url(url: string): string;
}

/** A bucket and a key, a REST API and its stage. */
const DOCUMENT = /^s3:\/\/[^/]+\/.|^apigateway:[^/]+\/[^/]+$/;
const WHERE = 'startAgentCore()';

/** @param given an object, or the path of a JSON file. @throws RondoError `CONFIG_INVALID`, which names the entry. */
export function bindings(given: Bindings | string | undefined): Bound {
  const folder = typeof given === 'string' ? dirname(resolve(given)) : process.cwd();
  const entries = Object.entries(typeof given === 'string' ? fromFile(given) : (given ?? {}));
  const containers = new Map<string, Container & { cwd: string }>();
  const exported = new Map<string, Exported>();
  const documents = new Map<string, string>();
  const urls: (readonly [from: string, to: string])[] = [];
  for (const [key, value] of entries) {
    if (key.startsWith('container:')) containers.set(key.slice('container:'.length), containerOf(key, value, folder));
    else if (/^(lambda|model|connector):/.test(key)) exported.set(key, exportOf(key, value, folder));
    else if (DOCUMENT.test(key)) documents.set(key, fileOf(key, value, folder));
    else if (key.startsWith('url:')) urls.push(urlOf(key, value));
    else
      throw invalid(
        `${WHERE}: the binding ${JSON.stringify(key)} begins with none of "container:", "lambda:", "model:", "connector:", "s3://", "apigateway:" and "url:".`,
      );
  }
  // the most exact first
  urls.sort(([a], [b]) => b.length - a.length);
  return {
    container: (uri) => containers.get(uri),
    lambda: (arn) => exported.get(`lambda:${arn}`),
    model: (id) => exported.get(`model:${id}`),
    connector: (id) => exported.get(`connector:${id}`),
    document: (place) => documents.get(place),
    url(url) {
      const [from = '', to = ''] = urls.find(([bound]) => url === bound || url.startsWith(bound.endsWith('/') ? bound : `${bound}/`)) ?? [];
      return to + url.slice(from.length);
    },
  };
}

function fromFile(path: string): object {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (cause) {
    throw invalid(`${WHERE}: the bindings in ${path} cannot be read: ${(cause as Error).message}.`, { cause });
  }
  throw invalid(`${WHERE}: ${path} holds no object of bindings, such as { "container:<uri>": { "command": ["node", "agent.ts"] } }.`);
}

const isCommand = (value: unknown): value is Container['command'] =>
  Array.isArray(value) && value.length > 0 && value.every((part) => typeof part === 'string');

function containerOf(key: string, value: unknown, folder: string): Container & { cwd: string } {
  const { command, cwd = '.', env = {}, ...other } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const wrong = (why: string) => invalid(`${WHERE}: the binding ${JSON.stringify(key)}: ${why}`);
  if (!isCommand(command)) throw wrong('"command" is a list of texts, the program first: ["node", "agent.ts"].');
  if (typeof cwd !== 'string') throw wrong('"cwd" is the path of a folder.');
  if (typeof env !== 'object' || env === null || !Object.values(env).every((text) => typeof text === 'string'))
    throw wrong('"env" is an object of texts.');
  const [unknown] = Object.keys(other);
  if (unknown !== undefined) throw wrong(`there is no field "${unknown}". It has command, cwd and env.`);
  return { command, cwd: resolve(folder, cwd), env: env as Record<string, string> };
}

function urlOf(key: string, value: unknown): readonly [from: string, to: string] {
  const isUrl = (text: unknown) => typeof text === 'string' && URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
  const from = key.slice('url:'.length);
  if (!isUrl(from) || !isUrl(value))
    throw invalid(
      `${WHERE}: the binding ${JSON.stringify(key)} is a URL for another one: "url:https://tools.example/mcp": "http://127.0.0.1:8080/mcp".`,
    );
  return [from, value as string];
}

function fileOf(key: string, value: unknown, folder: string): string {
  if (typeof value !== 'string' || value === '')
    throw invalid(`${WHERE}: the binding ${JSON.stringify(key)} is the path of a file, such as "./document.json".`);
  return resolve(folder, value);
}

function exportOf(key: string, value: unknown, folder: string): Exported {
  const [module, name = 'handler', ...more] = typeof value === 'string' ? value.split('#') : [];
  if (!module || more.length > 0)
    throw invalid(`${WHERE}: the binding ${JSON.stringify(key)} is a module and the name of its export, such as "./tools.ts#refund".`);
  return { module: resolve(folder, module), name };
}

/** The value of an export. @throws RondoError `CONFIG_INVALID` for a module that cannot be loaded, or does not have it. */
export async function loaded({ module, name }: Exported): Promise<unknown> {
  const found = (await import(pathToFileURL(module).href).catch((cause) => {
    throw invalid(`${WHERE}: the module ${module} of a binding cannot be loaded: ${(cause as Error).message}.`, { cause });
  })) as Readonly<Record<string, unknown>>;
  if (!Object.hasOwn(found, name)) throw invalid(`${WHERE}: the module ${module} of a binding has no export ${name}.`);
  return found[name];
}
