export const REVISIONS = ['2025-11-25', '2026-07-28'] as const;

const RESOURCES = 'resources are not offered: agents and tools have none';
const PROMPTS = 'prompts are not offered: agents and tools have none';
const COMPLETION = 'completion is for the arguments of prompts and resources, which are not offered';
const LOGGING = 'logs go to the operator, not to the client';
const SAMPLING = "the models are the server's own: a client is not asked to sample";
const ROOTS = "the server does not read the client's files";
const DIALECT = '`$schema` is left out: 2020-12 is what MCP means without it';

/** By revision: the server scenarios that do not pass, and why. docs/mcp-server.md says the same. */
export const SERVER_REASONS: Readonly<Record<(typeof REVISIONS)[number], Readonly<Record<string, string>>>> = {
  '2025-11-25': {
    'logging-set-level': LOGGING,
    'tools-call-with-logging': LOGGING,
    'completion-complete': COMPLETION,
    'tools-call-sampling': SAMPLING,
    'json-schema-2020-12': DIALECT,
    'server-sse-polling': 'a stream is not closed in the middle of a call; one that broke can be read on',
    'resources-list': RESOURCES,
    'resources-read-text': RESOURCES,
    'resources-read-binary': RESOURCES,
    'resources-templates-read': RESOURCES,
    'resources-subscribe': RESOURCES,
    'resources-unsubscribe': RESOURCES,
    'prompts-list': PROMPTS,
    'prompts-get-simple': PROMPTS,
    'prompts-get-with-args': PROMPTS,
    'prompts-get-embedded-resource': PROMPTS,
    'prompts-get-with-image': PROMPTS,
  },
  '2026-07-28': {
    'completion-complete': COMPLETION,
    'json-schema-2020-12': DIALECT,
    'server-stateless':
      'four of its checks need tools that log, or that fail for a client that cannot be asked: here the call answers that it waits',
    'resources-list': RESOURCES,
    'resources-read-text': RESOURCES,
    'resources-read-binary': RESOURCES,
    'resources-templates-read': RESOURCES,
    'sep-2164-resource-not-found': RESOURCES,
    'prompts-list': PROMPTS,
    'prompts-get-simple': PROMPTS,
    'prompts-get-with-args': PROMPTS,
    'prompts-get-embedded-resource': PROMPTS,
    'prompts-get-with-image': PROMPTS,
    caching: 'its checks of lists of tools pass; the others are of resources and prompts',
    'http-custom-header-server-validation': 'tools do not take parameters from headers',
    'input-required-result-basic-elicitation': 'it wants a key of its own for the request; here the key is the id of the approval',
    'input-required-result-ignore-extra-params': 'it answers under a key of its own; here the key is the id of the approval',
    'input-required-result-basic-sampling': SAMPLING,
    'input-required-result-basic-list-roots': ROOTS,
    'input-required-result-multiple-input-requests': `${SAMPLING}, and ${ROOTS}`,
    'input-required-result-capability-check': SAMPLING,
    'input-required-result-multi-round': 'it wants a tool that asks twice; an agent does, a tool of a gateway asks once',
    'input-required-result-non-tool-request': PROMPTS,
  },
};
