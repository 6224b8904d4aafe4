/** What checks the tokens of the callers of gateways and runtimes. */
import { authorizerAt, type CustomJwtAuthorizer, type JwtAuthorizer } from '../../../server/authorizer.ts';
import type { World } from './call.ts';

/** The authorizer of a resource, with the keys that it has fetched; another one once its settings are others. Undefined for one that takes no tokens. */
export function authorizers({
  clock,
}: Pick<World, 'clock'>): (id: string, options: CustomJwtAuthorizer | undefined) => JwtAuthorizer | undefined {
  const made = new Map<string, { settings: string; authorizer: JwtAuthorizer }>();
  return (id, options) => {
    if (!options) return undefined;
    const settings = JSON.stringify(options);
    const known = made.get(id);
    if (known?.settings === settings) return known.authorizer;
    const authorizer = authorizerAt(options, clock.now);
    made.set(id, { settings, authorizer });
    return authorizer;
  };
}
