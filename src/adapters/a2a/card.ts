import { AgentCard, generateAgentCardSignature, SecurityRequirement, SecurityScheme } from '@a2a-js/sdk';
import { LegacyRestTransportHandler } from '@a2a-js/sdk/compat/v0_3/server';
import { type A2ARequestHandler, ServerCallContext } from '@a2a-js/sdk/server';
import type { CryptoKey, JWK, KeyObject } from 'jose';
import type { Agent } from '../../loop/types.ts';

import type { AuthScheme } from '../../server/auth.ts';
import { APPROVALS } from './names.ts';

/** A key that signs the card. `alg` is for example ES256 or EdDSA, `kid` the id by which callers find the public key. */
export interface CardKey {
  key: JWK | KeyObject | CryptoKey;
  alg: string;
  kid: string;
}

/** The fields of the card that do not come from the agent. */
export interface CardOptions {
  /** The public URL of this server, such as `https://agents.example.com`. Default: the address it listens on. */
  url?: string;
  /** Whether the card offers REST, which is served below the path. Default true. */
  rest?: boolean;
  name?: string;
  description?: string;
  /** The version of the agent. Default `1.0.0`. */
  version?: string;
  provider?: { url: string; organization: string };
  documentationUrl?: string;
  iconUrl?: string;
  /** Default: one skill, which is the agent itself. Its tools are not published. */
  skills?: readonly { id: string; name: string; description: string; tags?: readonly string[]; examples?: readonly string[] }[];
  /** In the JSON form of A2A 1.0. Default: the scheme that `auth` declares. */
  securitySchemes?: Readonly<Record<string, object>>;
  securityRequirements?: readonly object[];
  sign?: CardKey;
}

export const CARD = {
  url: "url: 'https://agents.example.com'",
  rest: 'rest: false',
  name: "name: 'Support'",
  description: "description: 'Answers customers'",
  version: "version: '1.0.0'",
  provider: "provider: { url: 'https://example.com', organization: 'Example' }",
  documentationUrl: "documentationUrl: 'https://example.com/docs'",
  iconUrl: "iconUrl: 'https://example.com/icon.png'",
  skills: "skills: [{ id: 'refund', name: 'Refunds', description: 'Refunds an order' }]",
  securitySchemes: 'securitySchemes: { ... }',
  securityRequirements: 'securityRequirements: [{ ... }]',
  sign: "sign: { key, alg: 'ES256', kid: 'k1' }",
} satisfies Record<keyof CardOptions, string>;

interface Declared {
  readonly securitySchemes: { readonly [name: string]: SecurityScheme };
  readonly securityRequirements: readonly SecurityRequirement[];
}

/** The part of a card that describes authentication. */
export function declared({ oauth2 }: AuthScheme): Declared {
  if (!oauth2)
    return {
      securitySchemes: { bearer: SecurityScheme.fromJSON({ httpAuthSecurityScheme: { scheme: 'Bearer', bearerFormat: 'JWT' } }) },
      securityRequirements: [SecurityRequirement.fromJSON({ schemes: { bearer: { list: [] } } })],
    };
  const { tokenUrl, authorizationUrl, scopes = {} } = oauth2;
  const flows = authorizationUrl
    ? { authorizationCode: { authorizationUrl, tokenUrl, scopes, pkceRequired: true } }
    : { clientCredentials: { tokenUrl, scopes } };
  return {
    securitySchemes: { oauth2: SecurityScheme.fromJSON({ oauth2SecurityScheme: { flows } }) },
    securityRequirements: [SecurityRequirement.fromJSON({ schemes: { oauth2: { list: Object.keys(scopes) } } })],
  };
}

/** @param base URL without a trailing slash. */
export async function cardOf(
  agent: Agent,
  base: string,
  path: string,
  push: boolean,
  o: CardOptions,
  declared: Declared | undefined,
): Promise<AgentCard> {
  const name = o.name ?? agent.name;
  const description = o.description ?? agent.description ?? `The agent ${name}.`;
  const skills = o.skills ?? [{ id: agent.name, name, description }];
  const card = AgentCard.fromJSON({
    name,
    description,
    version: o.version ?? '1.0.0',
    ...(o.provider && { provider: o.provider }),
    ...(o.documentationUrl !== undefined && { documentationUrl: o.documentationUrl }),
    ...(o.iconUrl !== undefined && { iconUrl: o.iconUrl }),
    supportedInterfaces: [
      { url: `${base}${path}`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
      ...(o.rest === false
        ? []
        : [{ url: `${base}${path === '/' ? '' : path}/rest`, protocolBinding: 'HTTP+JSON', protocolVersion: '1.0' }]),
      { url: `${base}${path}`, protocolBinding: 'JSONRPC', protocolVersion: '0.3' },
    ],
    capabilities: {
      streaming: true,
      pushNotifications: push,
      extensions: [{ uri: APPROVALS, description: 'Approvals as data, answered with decisions.', required: false }],
    },
    defaultInputModes: ['text/plain', 'application/json', 'image/*', 'application/pdf'],
    defaultOutputModes: ['text/plain', 'application/json'],
    skills: skills.map((s) => ({ ...s, tags: s.tags ?? ['agent'] })),
    ...(o.securitySchemes && { securitySchemes: o.securitySchemes }),
    ...(o.securityRequirements && { securityRequirements: o.securityRequirements }),
  });
  if (declared && !o.securitySchemes) card.securitySchemes = { ...declared.securitySchemes };
  if (declared && !o.securityRequirements) card.securityRequirements = [...declared.securityRequirements];
  if (!o.sign) return card;
  const { key, alg, kid } = o.sign;
  return generateAgentCardSignature(key, { alg, kid, typ: 'JOSE' })(card);
}

/** The card in the form of version 0.3. It includes the interfaces of 1.0, for clients of 1.0 that did not send their version. */
export async function legacyCard(card: AgentCard): Promise<object> {
  const only: Pick<A2ARequestHandler, 'getAuthenticatedExtendedAgentCard'> = { getAuthenticatedExtendedAgentCard: async () => card };
  const legacy = await new LegacyRestTransportHandler(only as A2ARequestHandler).getAuthenticatedExtendedAgentCard(new ServerCallContext());
  const { supportedInterfaces } = AgentCard.toJSON(card) as { supportedInterfaces: unknown };
  return { ...legacy, supportedInterfaces };
}
