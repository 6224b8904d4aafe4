import { AsyncLocalStorage } from 'node:async_hooks';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { Secrets } from '../../secrets.ts';
import type { McpOptions } from './index.ts';
import { loadHttp, loadStdio } from './sdk.ts';

/** A call under way, as its transport sees it. */
export interface Pending {
  /** The server numbers its events, so the SDK asks for the rest of a broken stream itself. */
  resumable: boolean;
  /** The answer can no longer come. */
  lost(): void;
}

/** One connection to a server, before the protocol is spoken on it. */
export interface Wire {
  readonly transport: Transport;
  /** The first thing the server sent that is not MCP, and the last lines of its stderr: for people, never for a model. */
  notes(): string;
  /** Resolves when the server's process has ended, or the connection is closed. */
  readonly gone: Promise<void>;
  /** Ends a server that does not deserve patience. */
  kill(): void;
  /** Tells the server that its session is over. */
  bye(): Promise<void>;
}

/** Which call a transport is working for: its errors do not say. */
export const current = new AsyncLocalStorage<Pending>();

/** @param secrets what the server was given: taken out of all it says, before anything is done with it. */
export async function openWire(o: McpOptions, secrets: Secrets): Promise<Wire> {
  return o.command === undefined ? httpWire(o, secrets) : stdioWire(o, secrets);
}

async function stdioWire(o: McpOptions, secrets: Secrets): Promise<Wire> {
  const { StdioClientTransport } = await loadStdio();
  const transport = new StdioClientTransport({
    command: o.command as string,
    args: [...(o.args ?? [])],
    stderr: 'pipe',
    ...(o.env && { env: { ...o.env } }),
    ...(o.cwd !== undefined && { cwd: o.cwd }),
  });
  let stderr = '';
  transport.stderr?.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-4_096);
  });
  const watch = listen(transport, secrets);
  let pid: number | null = null;
  const start = transport.start.bind(transport);
  transport.start = async () => {
    await start();
    pid = transport.pid;
  };
  return {
    ...watch,
    transport,
    notes() {
      const lines = secrets.mask(stderr).trim().split('\n').slice(-5).join('\n');
      return `${watch.notes()}${lines ? ` The last it wrote to stderr:\n${lines}` : ' It wrote nothing to stderr.'}`;
    },
    kill() {
      if (pid !== null && !watch.ended()) process.kill(pid, 'SIGTERM');
    },
    bye: async () => {},
  };
}

async function httpWire(o: McpOptions, secrets: Secrets): Promise<Wire> {
  const { StreamableHTTPClientTransport } = await loadHttp();
  const transport = new StreamableHTTPClientTransport(new URL(o.url as string), {
    requestInit: { headers: { ...o.headers } },
    fetch: watchedFetch,
  });
  return {
    ...listen(transport as Transport, secrets, (error) => {
      if (error.message.startsWith('Maximum reconnection attempts')) current.getStore()?.lost();
    }),
    transport: transport as Transport,
    kill() {},
    bye: () => transport.terminateSession(),
  };
}

function listen(transport: Transport, secrets: Secrets, onError?: (error: Error) => void) {
  let rubbish = '';
  let ended = false;
  withoutSecrets(transport, secrets);
  const gone = new Promise<void>((resolve) => {
    transport.onclose = () => {
      ended = true;
      resolve();
    };
  });
  transport.onerror = (error) => {
    if (!rubbish && (error instanceof SyntaxError || error.name === 'ZodError'))
      rubbish = secrets.mask(error.message).replace(/\s+/g, ' ').slice(0, 200);
    onError?.(error);
  };
  return { gone, ended: () => ended, notes: () => (rubbish ? ` It sent something that is not MCP (${rubbish}).` : '') };
}

/** Takes secrets out of every message, whoever listens: results, errors, descriptions and progress alike. Its id is not a text of the server. */
function withoutSecrets(transport: Transport, secrets: Secrets): void {
  if (secrets.empty) return;
  let listener: Transport['onmessage'];
  Object.defineProperty(transport, 'onmessage', {
    configurable: true,
    get: () => listener,
    set(inner: Transport['onmessage']) {
      listener =
        inner &&
        ((message, extra) => {
          const { params, result, error } = message as { params?: unknown; result?: unknown; error?: unknown };
          inner(
            {
              ...message,
              ...secrets.maskJson({
                ...(params !== undefined && { params }),
                ...(result !== undefined && { result }),
                ...(error !== undefined && { error }),
              }),
            } as typeof message,
            extra,
          );
        });
    },
  });
}

/**
 * The SDK leaves a request open for ever when its event stream ends without the answer, as it does when the server's
 * process dies. So the end of the stream is watched here.
 */
const watchedFetch = async (url: string | URL, init?: RequestInit): Promise<Response> => {
  const response = await fetch(url, init);
  const call = current.getStore();
  if (!call || init?.method !== 'POST' || !response.body || !response.headers.get('content-type')?.startsWith('text/event-stream'))
    return response;
  const reader = response.body.getReader();
  // the answer, where there was one, is read from the stream before this fires
  const over = () => setTimeout(() => call.resumable || call.lost(), 50).unref();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      over();
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return new Response(body, { status: response.status, statusText: response.statusText, headers: response.headers });
};
