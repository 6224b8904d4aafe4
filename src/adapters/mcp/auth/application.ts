/** Authorization without a person: a token of the application itself, or one for the caller's assertion. */

import { invalid } from '../../../errors.ts';
import { joining } from '../../../flight.ts';
import { checkOptions } from '../../../options.ts';
import type { SourceCaller } from '../../../ports/tool.ts';
import { type Access, type Challenge, explained, type McpAuth, type Protected, unauthorized } from './access.ts';
import { authorize, CLIENT_EXAMPLES, type ClientOptions, checkClient, type Flow, type Known } from './client.ts';
import { scopesWith } from './scopes.ts';

export type ClientGrantOptions = ClientOptions & Required<Pick<ClientOptions, 'client'>>;

export interface AssertionGrantOptions extends ClientGrantOptions {
  /**
   * Makes the JWT that is exchanged (RFC 7523): an identity assertion of the company's own identity provider (ID-JAG), or the token of a workload.
   * `issuer`: the authorization server, for its audience. `resource`: the MCP server.
   */
  assertion: (o: { caller: SourceCaller; issuer: string; resource: string }) => string | Promise<string>;
}

/**
 * A token of the application, by client credentials. For `auth` of `mcpTools()`. It is kept in memory.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function clientGrant(o: ClientGrantOptions): McpAuth {
  check(o, CLIENT_EXAMPLES, 'clientGrant()');
  return { access: (at) => unattended(o, at, async (scope) => parameters('client_credentials', scope)) };
}

/**
 * A token for an assertion, such as one of the company's identity provider about the caller. For `auth` of `mcpTools()`. It is kept in memory.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function assertionGrant(o: AssertionGrantOptions): McpAuth {
  const examples = { ...CLIENT_EXAMPLES, assertion: 'assertion: ({ issuer, resource }) => idJag(issuer, resource)' };
  check(o, examples satisfies { [K in keyof AssertionGrantOptions]-?: string }, 'assertionGrant()');
  if (typeof o.assertion !== 'function') throw invalid(`assertionGrant() needs a function: { ${examples.assertion} }.`);
  return {
    access: (at) =>
      unattended(o, at, async (scope, { discovery }) => {
        const issuer = discovery?.authorizationServerMetadata?.issuer ?? discovery?.authorizationServerUrl ?? at.server.origin;
        const resource = discovery?.resourceMetadata?.resource ?? at.server.href;
        const all = parameters('urn:ietf:params:oauth:grant-type:jwt-bearer', scope);
        all.set('assertion', await o.assertion({ caller: at.caller, issuer, resource }));
        return all;
      }),
  };
}

function check(o: ClientGrantOptions, examples: Readonly<Record<string, string>>, where: string): void {
  checkOptions(o, examples, where);
  checkClient(o, where);
  if (!o.client) throw invalid(`${where} needs client: { ${CLIENT_EXAMPLES.client} }.`);
}

function parameters(grant: string, scope: string | undefined): URLSearchParams {
  return new URLSearchParams({ grant_type: grant, ...(scope !== undefined && scope !== '' && { scope }) });
}

type Grant = (scope: string | undefined, flow: Flow) => Promise<URLSearchParams>;

function unattended(o: ClientGrantOptions, { server, name }: Protected, grant: Grant): Access {
  let token: string | undefined;
  let scope: string | undefined;
  let worked = true;
  const join = joining<undefined, void>();
  // the server that the client belongs to, once it is known
  let issuer: string | undefined;
  const known: Known = {
    ...o,
    name: 'rondo',
    registrations: {
      get: async () => (issuer === undefined ? undefined : { client_id: o.client.id, issuer }),
      put: async (_, client) => {
        issuer = client?.issuer;
      },
    },
  };

  async function get(challenge: Challenge): Promise<void> {
    const wanted = challenge.kind === 'more' ? scopesWith(scope, challenge.scope) : (challenge.scope ?? scope);
    if (challenge.kind === 'more' && wanted === scope) throw unauthorized(name, 'it needs scopes that were asked for already');
    // a token that never worked is followed by one that would not either
    if (challenge.kind === 'token' && !worked) throw unauthorized(name, 'it refuses the token that its authorization server gave');
    const flow: Flow = { server, scope: wanted, metadata: challenge.metadata, grant: (asked) => grant(asked, flow) };
    try {
      await authorize(known, flow);
    } catch (error) {
      throw explained(name, error);
    }
    token = flow.tokens?.access_token;
    scope = scopesWith(wanted, flow.tokens?.scope);
    worked = false;
  }

  return {
    token: async () => token,
    accepted() {
      worked = true;
    },
    async refused(challenge, used) {
      // it was renewed since, or is being renewed now
      if (used === token) await join(undefined, () => get(challenge));
    },
  };
}
