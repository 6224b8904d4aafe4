import type { CredentialRequest } from '../ports/identity.ts';
import type { Grants, Tools } from './types.ts';

/** The tools that the grants of all agents on the path allow. */
export function granted(tools: Tools, grants: readonly Grants[]): Tools {
  if (grants.every((g) => !g.tools)) return tools;
  // the search tools are always granted: each found tool is checked by its own name
  return new Map([...tools].filter(([name, tool]) => tool.finding || isGranted(name, grants)));
}

/** Whether each of the grants allows the tool. Grants without `tools` allow all. */
export const isGranted = (name: string, grants: readonly Grants[]): boolean => grants.every(({ tools }) => !tools || tools.includes(name));

/** The credential or scope that the grants do not allow; undefined if they allow all of it. */
export function beyond({ provider, scopes = [] }: CredentialRequest, grants: readonly Grants[]): string | undefined {
  for (const { credentials } of grants) {
    if (!credentials) continue;
    const allowed = Object.hasOwn(credentials, provider) ? credentials[provider] : undefined;
    if (!allowed) return `credentials of ${provider}`;
    const missing = scopes.find((scope) => !allowed.includes(scope));
    if (missing !== undefined) return `the scope ${missing} of ${provider}`;
  }
  return undefined;
}
