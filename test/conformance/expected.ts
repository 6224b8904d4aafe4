import type { Suite } from './suite.ts';

const DPOP = 'tokens that are bound to a key (DPoP) are not asked for: an extension';
const SKILLS = 'skills are not read: an extension';

/** The scenarios that do not pass, and why. docs/mcp.md has the same list. */
export const REASONS: Readonly<Record<Suite, Readonly<Record<string, string>>>> = {
  'mcp-conformance': {
    'auth/2025-03-26-oauth-metadata-backcompat':
      'the document of its authorization server names another issuer, which the client must refuse (RFC 8414); the later suite has it right',
  },
  'mcp-conformance-next': {
    'json-schema-2020-12-preservation': 'a model is not shown `$schema`, which says nothing of the arguments; all other keywords are kept',
    'auth/dpop': DPOP,
    'auth/dpop-nonce': DPOP,
    'sep-2640-client-no-prefetch': SKILLS,
    'sep-2640-client-verify-digest': SKILLS,
    'sep-2640-client-verify-size': SKILLS,
    'sep-2640-client-verify-frontmatter': SKILLS,
  },
};
