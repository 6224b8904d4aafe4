/** What users may implement, as an engine or an agent is given it: checked when it is declared, and not in the middle of a run. */
import { invalid } from '../errors.ts';
import { checkOptions, checkPort, type Functions, functionsOf } from '../options.ts';
import type { Middleware } from './middleware.ts';
import type { Reliability } from './types.ts';

/** The functions of each port, and an example of one. */
const PORTS = {
  journal: [
    { needs: ['append', 'read', 'heads', 'renew', 'remove'], may: ['due', 'rewrite', 'subscribe', 'claim', 'effects', 'now', 'close'] },
    "journal: sqliteJournal('runs.db')",
  ],
  memory: [{ needs: ['recall', 'record'], may: ['forget'] }, "memory: remember(sqliteMemory('facts.db'))"],
  identity: [{ needs: ['get'], may: ['complete', 'returned'] }, 'identity: localIdentity({ ... })'],
  policy: [
    { needs: [], may: ['decide', 'access', 'content', 'offers'] },
    'policy: { decide: ({ tool }) => ({ allow: tool !== "refund" }) }',
  ],
} as const satisfies Record<string, readonly [Functions, string]>;

/** @throws RondoError `CONFIG_INVALID` for a port that lacks a function, or has a misspelt one. Undefined is none. */
export function checkPorts(o: { readonly [port in keyof typeof PORTS]?: unknown }, where: string): void {
  for (const [name, [functions, example]] of Object.entries(PORTS)) {
    const port = o[name as keyof typeof PORTS];
    if (port !== undefined) checkPort(port, functions, `${where}: ${name}`, example);
  }
  if (o.policy !== undefined) checkOpen(o.policy as object, where);
}

/** A policy without `decide` allows every call: so it must not have a function that may be meant as one. @throws RondoError `CONFIG_INVALID`. */
function checkOpen(policy: object, where: string): void {
  if ((policy as { decide?: unknown }).decide !== undefined) return;
  const other = 'decide' in policy ? 'decide' : functionsOf(policy).find((name) => name !== 'access' && name !== 'content');
  if (other === undefined) return;
  const has = other === 'decide' ? 'its decide is undefined' : `it has "${other}", which is not asked about calls`;
  throw invalid(
    `${where}: policy has no decide, so it would allow every call, and ${has}. If that is meant, add decide: () => ({ allow: true }).`,
  );
}

const MIDDLEWARE: Functions = { needs: [], may: ['step', 'model', 'tool'] satisfies (keyof Middleware)[] };
const USE = 'use: [{ tool: async (call, next) => next() }]';

/** @throws RondoError `CONFIG_INVALID` for what is not a list of wrappers. */
export function checkUse(use: unknown, where: string): void {
  if (use === undefined) return;
  if (!Array.isArray(use)) throw invalid(`${where}: use is a list: { ${USE} }.`);
  for (const one of use) checkPort(one, MIDDLEWARE, `${where}: one of use`, USE);
}

const LAYERS = { tools: 'tools: { timeout: 10_000 }', model: 'model: { retry: { attempts: 5 } }' };
const LAYER = {
  timeout: 'timeout: 10_000',
  longest: 'longest: 600_000',
  deadline: 'deadline: 60_000',
  retry: 'retry: { attempts: 3 }',
  breaker: 'breaker: { failures: 5 }',
} satisfies Record<keyof Reliability, string>;

/** The names of `reliability` of an agent or an engine; `resolvePolicy` checks the values. @throws RondoError `CONFIG_INVALID`. */
export function checkLayers(layers: unknown, where: string): void {
  if (layers === undefined) return;
  checkOptions(layers, LAYERS, `${where}: reliability`);
  for (const [name, layer] of Object.entries(layers as object))
    if (layer !== undefined) checkOptions(layer, LAYER, `${where}: reliability.${name}`);
}
