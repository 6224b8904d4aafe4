import { invalid } from '../../errors.ts';
import { lazy } from '../../flight.ts';

/** Loaded when a server is first opened, so that declaring one is free and the SDK stays an optional peer. */
export const loadClient = () => load(() => import('@modelcontextprotocol/sdk/client/index.js'));
export const loadStdio = () => load(() => import('@modelcontextprotocol/sdk/client/stdio.js'));
export const loadSse = () => load(() => import('@modelcontextprotocol/sdk/client/sse.js'));
export const loadHttp = () => load(() => import('@modelcontextprotocol/sdk/client/streamableHttp.js'));
/** Named by its modules, since the type of what is spread here would be written out, in 400 kB of declarations. */
type Server = typeof import('@modelcontextprotocol/sdk/server/index.js') &
  typeof import('@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js') &
  typeof import('@modelcontextprotocol/sdk/types.js');
export const loadServer = lazy(
  async (): Promise<Server> => ({
    ...(await load(() => import('@modelcontextprotocol/sdk/server/index.js'), 'mcpHandler()')),
    ...(await load(() => import('@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'), 'mcpHandler()')),
    ...(await loadTypes()),
  }),
);
export const loadTypes = () => load(() => import('@modelcontextprotocol/sdk/types.js'));

/** The OAuth client of the SDK's second version: it checks issuers, and binds clients and tokens to them. */
export const loadAuth = () => load(() => import('@modelcontextprotocol/client'), 'auth of mcpTools()', MODERN);
export const loadModern = () => load(() => import('@modelcontextprotocol/client'), 'protocol of mcpTools()', MODERN);
export const loadModernStdio = () => load(() => import('@modelcontextprotocol/client/stdio'), 'protocol of mcpTools()', MODERN);

const MODERN = '@modelcontextprotocol/client';

/** The server of the SDK's second version, which speaks 2026-07-28. */
export const loadModernServer = () => load(() => import('@modelcontextprotocol/server'), 'mcpHandler()', '@modelcontextprotocol/server');

/** In place of the validator of an SDK, which makes an Ajv for each client and server. */
export const UNCHECKED = {
  getValidator: () => (data: unknown) => ({ valid: true as const, data: data as never, errorMessage: undefined }),
};

async function load<T>(from: () => Promise<T>, what = 'mcpTools()', name = '@modelcontextprotocol/sdk'): Promise<T> {
  try {
    return await from();
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string };
    if (code === 'ERR_MODULE_NOT_FOUND' && message?.includes(name))
      throw invalid(`${what} needs the MCP SDK: npm install ${name}`, { cause: error });
    throw error;
  }
}
