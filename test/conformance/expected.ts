import type { Suite } from './suite.ts';

const ELICITATION = 'the client does not answer a question in the middle of a call yet';
const MODERN = 'the client does not speak 2026-07-28 yet';
const DPOP = 'tokens that are bound to a key (DPoP) are not asked for: an extension';
const SKILLS = 'skills are not read: an extension';

/** The scenarios that do not pass, and why. docs/mcp.md has the same list. */
export const REASONS: Readonly<Record<Suite, Readonly<Record<string, string>>>> = {
  'mcp-conformance': {
    'elicitation-sep1034-client-defaults': ELICITATION,
    'auth/2025-03-26-oauth-metadata-backcompat':
      'the document of its authorization server names another issuer, which the client must refuse (RFC 8414); the later suite has it right',
  },
  'mcp-conformance-next': {
    'elicitation-sep1034-client-defaults': ELICITATION,
    'request-metadata': MODERN,
    'auth/authorization-server-migration': MODERN,
    'http-standard-headers': MODERN,
    'http-custom-headers': MODERN,
    'http-invalid-tool-headers': MODERN,
    'sep-2322-client-request-state': MODERN,
    'json-schema-2020-12-preservation': MODERN,
    'auth/dpop': DPOP,
    'auth/dpop-nonce': DPOP,
    'sep-2640-client-no-prefetch': SKILLS,
    'sep-2640-client-verify-digest': SKILLS,
    'sep-2640-client-verify-size': SKILLS,
    'sep-2640-client-verify-frontmatter': SKILLS,
  },
};
