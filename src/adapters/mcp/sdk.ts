import { invalid } from '../../errors.ts';

/** Loaded when a server is first opened, so that declaring one is free and the SDK stays an optional peer. */
export const loadClient = () => load(() => import('@modelcontextprotocol/sdk/client/index.js'));
export const loadStdio = () => load(() => import('@modelcontextprotocol/sdk/client/stdio.js'));
export const loadHttp = () => load(() => import('@modelcontextprotocol/sdk/client/streamableHttp.js'));
/** Named by its modules, since the type of what is spread here would be written out, in 400 kB of declarations. */
type Server = typeof import('@modelcontextprotocol/sdk/server/index.js') &
  typeof import('@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js') &
  typeof import('@modelcontextprotocol/sdk/types.js');
export const loadServer = async (): Promise<Server> => ({
  ...(await load(() => import('@modelcontextprotocol/sdk/server/index.js'), 'mcpHandler()')),
  ...(await load(() => import('@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'), 'mcpHandler()')),
  ...(await loadTypes()),
});
export const loadTypes = () => load(() => import('@modelcontextprotocol/sdk/types.js'));

async function load<T>(from: () => Promise<T>, what = 'mcpTools()'): Promise<T> {
  try {
    return await from();
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string };
    if (code === 'ERR_MODULE_NOT_FOUND' && message?.includes('@modelcontextprotocol/sdk'))
      throw invalid(`${what} needs the MCP SDK: npm install @modelcontextprotocol/sdk`, { cause: error });
    throw error;
  }
}
