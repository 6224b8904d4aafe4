import { invalid } from '../../errors.ts';
import { lazy } from '../../flight.ts';

/** Loaded when a server is first opened, so that declaring one is free and the SDK stays an optional peer. */
export const loadClient = () => import('@modelcontextprotocol/sdk/client/index.js').catch(missing());
export const loadStdio = () => import('@modelcontextprotocol/sdk/client/stdio.js').catch(missing());
export const loadSse = () => import('@modelcontextprotocol/sdk/client/sse.js').catch(missing());
export const loadHttp = () => import('@modelcontextprotocol/sdk/client/streamableHttp.js').catch(missing());
/** Named by its modules, since the type of what is spread here would be written out, in 400 kB of declarations. */
type Server = typeof import('@modelcontextprotocol/sdk/server/index.js') &
  typeof import('@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js') &
  typeof import('@modelcontextprotocol/sdk/types.js');
export const loadServer = lazy(
  async (): Promise<Server> => ({
    ...(await import('@modelcontextprotocol/sdk/server/index.js').catch(missing('mcpHandler()'))),
    ...(await import('@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js').catch(missing('mcpHandler()'))),
    ...(await loadTypes()),
  }),
);
export const loadTypes = () => import('@modelcontextprotocol/sdk/types.js').catch(missing());

/** The OAuth client of the SDK's second version: it checks issuers, and binds clients and tokens to them. */
export const loadAuth = () => import('@modelcontextprotocol/client').catch(missing('auth of mcpTools()', MODERN));
export const loadModern = () => import('@modelcontextprotocol/client').catch(missing('protocol of mcpTools()', MODERN));
export const loadModernStdio = () => import('@modelcontextprotocol/client/stdio').catch(missing('protocol of mcpTools()', MODERN));

const MODERN = '@modelcontextprotocol/client';

/** The server of the SDK's second version, which speaks 2026-07-28. */
export const loadModernServer = () => import('@modelcontextprotocol/server').catch(missing('mcpHandler()', '@modelcontextprotocol/server'));

/** In place of the validator of an SDK, which makes an Ajv for each client and server. */
export const UNCHECKED = {
  getValidator: () => (data: unknown) => ({ valid: true as const, data: data as never, errorMessage: undefined }),
};

/** Of an import that fails. One that is caught where it is written is one that a bundler lets be missing. */
const missing =
  (what = 'mcpTools()', name = '@modelcontextprotocol/sdk') =>
  (error: unknown): never => {
    const { code, message } = error as { code?: string; message?: string };
    if (code === 'ERR_MODULE_NOT_FOUND' && message?.includes(name))
      throw invalid(`${what} needs the MCP SDK: npm install ${name}`, { cause: error });
    throw error;
  };
