/** Catalogues of tools: operations on what public services have, and the plugins of MetaTool. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Tool, tool } from '../../src/index.ts';

const VERBS = {
  list: { says: (what: string) => `Lists the ${plural(what)}, newest first, a page at a time`, takes: ['page', 'filter'] },
  get: { says: (what: string) => `Reads one ${what} by its id, with all of its fields`, takes: ['id'] },
  create: { says: (what: string) => `Makes a new ${what}`, takes: ['name', 'fields'] },
  update: { says: (what: string) => `Changes fields of a ${what} that exists`, takes: ['id', 'fields'] },
  delete: { says: (what: string) => `Removes a ${what} for good`, takes: ['id'] },
} as const;

const plural = (what: string) => (/[^aeo]y$/.test(what) ? `${what.slice(0, -1)}ies` : /(s|x|ch)$/.test(what) ? `${what}es` : `${what}s`);

export type Targets = Record<string, Tool[]>;

/** The operations of all services, by service: five for each of what they have. */
export function operations(): Targets {
  const lines = readFileSync(join(import.meta.dirname, 'services.txt'), 'utf8')
    .trim()
    .split('\n');
  return Object.fromEntries(
    lines.map((line) => {
      const [, service = '', about = '', has = ''] = /^(\w+): (.*) \| (.*)$/.exec(line) ?? [];
      return [service, has.split(', ').flatMap((what) => ofResource(service, about, what))];
    }),
  );
}

const ofResource = (service: string, about: string, what: string): Tool[] =>
  Object.entries(VERBS).map(([verb, { says, takes }]) =>
    made(`${verb}_${what.replaceAll(/[ -]/g, '_')}`, `${says(what)}. Of ${service.replace('_', ' ')}, ${about}.`, takes),
  );

/** The plugins of MetaTool, as one target. */
export const plugins = (descriptions: Readonly<Record<string, string>>): Tool[] =>
  Object.entries(descriptions).map(([name, description]) => made(pluginName(name), description, ['request']));

export const pluginName = (name: string): string => name.replaceAll(/[^a-zA-Z0-9_-]/g, '_').slice(0, 55);

function made(name: string, description: string, takes: readonly string[]): Tool {
  const properties = Object.fromEntries(
    takes.map((field) => [field, { type: field === 'fields' ? 'object' : 'string', description: `The ${field}` }]),
  );
  return tool({
    name,
    description,
    input: { type: 'object', properties, required: takes.slice(0, 1) },
    effect: 'read',
    execute: () => null,
  });
}

/** The first so many tools, a few of each target in turn. */
export function firstOf(targets: Targets, count: number): Targets {
  const taken: Targets = {};
  let left = count;
  for (let i = 0; left > 0; i++) {
    let any = false;
    for (const [name, tools] of Object.entries(targets)) {
      const one = tools[i];
      if (!one || left === 0) continue;
      taken[name] = [...(taken[name] ?? []), one];
      any = true;
      left--;
    }
    if (!any) break;
  }
  return taken;
}
