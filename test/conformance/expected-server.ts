export const REVISIONS = ['2025-11-25', '2026-07-28'] as const;

const SAMPLING = "the models are the server's own: a client is not asked to sample";
const ROOTS = "the server does not read the client's files";
const DIALECT = '`$schema` is left out: 2020-12 is what MCP means without it';

/** By revision: the server scenarios that do not pass, and why. docs/mcp-server.md says the same. */
export const SERVER_REASONS: Readonly<Record<(typeof REVISIONS)[number], Readonly<Record<string, string>>>> = {
  '2025-11-25': {
    'tools-call-sampling': SAMPLING,
    'json-schema-2020-12': DIALECT,
    'server-sse-polling': 'a stream is not closed in the middle of a call; one that broke can be read on',
  },
  '2026-07-28': {
    'json-schema-2020-12': DIALECT,
    'server-stateless': 'two of its checks need a tool that fails for a client that cannot be asked: here the call answers that it waits',
    'http-custom-header-server-validation': 'tools do not take parameters from headers',
    'input-required-result-basic-elicitation': 'it wants a key of its own for the request; here the key is the id of the approval',
    'input-required-result-ignore-extra-params': 'it answers under a key of its own; here the key is the id of the approval',
    'input-required-result-basic-sampling': SAMPLING,
    'input-required-result-basic-list-roots': ROOTS,
    'input-required-result-multiple-input-requests': `${SAMPLING}, and ${ROOTS}`,
    'input-required-result-capability-check': SAMPLING,
    'input-required-result-multi-round': 'it wants a tool that asks twice; an agent does, a tool of a gateway asks once',
  },
};
