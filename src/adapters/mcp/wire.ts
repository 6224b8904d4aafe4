import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { Secrets } from '../../secrets.ts';
import { isWrongShape } from './failure.ts';
import { current, LARGEST_MESSAGE, serverFetch, TooLarge } from './fetch.ts';
import type { Bound } from './options.ts';
import { isModern } from './options.ts';
import { loadHttp, loadModern, loadModernStdio, loadSse, loadStdio } from './sdk.ts';

/** One connection to a server, before the protocol starts. */
export interface Wire {
  readonly transport: Transport;
  /** The first output of the server that is not MCP, and the last lines of its stderr: for people, never for a model. */
  notes(): string;
  /** Set if the server sent a message that is too large, and was ended for it. */
  flaw(): TooLarge | undefined;
  /** Resolves when the server's process has ended, or the connection is closed. */
  readonly gone: Promise<void>;
  /** Ends a server at once. */
  kill(): void;
  /** Tells the server that its session is over. */
  bye(): Promise<void>;
}

/** @param old HTTP with SSE, of 2024-11-05. @param secrets values given to the server; they are masked in all its messages before these are used. */
export async function openWire(o: Bound, name: string, secrets: Secrets, old = false): Promise<Wire> {
  if (o.command !== undefined) return stdioWire(o, secrets);
  return old ? sseWire(o, name, secrets) : httpWire(o, name, secrets);
}

async function stdioWire(o: Bound, secrets: Secrets): Promise<Wire> {
  const Transports = isModern(o) ? await loadModernStdio() : await loadStdio();
  const transport = new (Transports as Awaited<ReturnType<typeof loadStdio>>).StdioClientTransport({
    command: o.command as string,
    args: [...(o.args ?? [])],
    stderr: 'pipe',
    maxBufferSize: LARGEST_MESSAGE,
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

async function sseWire(o: Bound, name: string, secrets: Secrets): Promise<Wire> {
  const { SSEClientTransport } = await loadSse();
  const transport = new SSEClientTransport(new URL(o.url as string), {
    fetch: serverFetch(o.headers, { name, secrets, fetch: o.fetch, access: o.access }, () => void transport.close().catch(() => {})),
  });
  return { ...listen(transport as Transport, secrets), transport: transport as Transport, kill() {}, bye: async () => {} };
}

async function httpWire(o: Bound, name: string, secrets: Secrets): Promise<Wire> {
  const Transports = isModern(o) ? await loadModern() : await loadHttp();
  const transport = new (Transports as Awaited<ReturnType<typeof loadHttp>>).StreamableHTTPClientTransport(new URL(o.url as string), {
    // an invalid answer came on the stream that the SDK would open again and again
    fetch: serverFetch(o.headers, { name, secrets, fetch: o.fetch, access: o.access }, () => void transport.close().catch(() => {})),
  });
  return {
    ...listen(transport as Transport, secrets, (error) => {
      if (error.message.startsWith('Maximum reconnection attempts')) current.getStore()?.lost(error);
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
  let flaw: TooLarge | undefined;
  const gone = new Promise<void>((resolve) => {
    transport.onclose = () => {
      ended = true;
      resolve();
    };
  });
  transport.onerror = (error) => {
    // the SDK's own messages, over stdio
    if (error.message.startsWith('ReadBuffer exceeded')) flaw = new TooLarge();
    if (!rubbish && (error instanceof SyntaxError || isWrongShape(error)))
      rubbish = secrets.mask(error.message).replace(/\s+/g, ' ').slice(0, 200);
    onError?.(error);
  };
  return { gone, flaw: () => flaw, ended: () => ended, notes: () => (rubbish ? ` It sent something that is not MCP (${rubbish}).` : '') };
}

/** Masks secrets in every message before it is read: results, errors, descriptions and progress. The message id is not masked. */
function withoutSecrets(transport: Transport, secrets: Secrets): void {
  let listener: Transport['onmessage'];
  Object.defineProperty(transport, 'onmessage', {
    configurable: true,
    get: () => listener,
    set(inner: Transport['onmessage']) {
      listener =
        inner &&
        ((message, extra) => {
          if (!secrets.active) return inner(message, extra);
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
