/** A server that does everything a client must cope with. Used over stdio (`fixture-stdio.ts`) and over HTTP. */
import { writeFileSync } from 'node:fs';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
  CallToolRequestSchema,
  type CallToolResult,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
  type Tool,
} from '@modelcontextprotocol/sdk/types.js';

const schema = { type: 'object' as const, properties: {} };
const described = (name: string, more: Partial<Tool> = {}): Tool => ({ name, description: `does ${name}`, inputSchema: schema, ...more });

const TOOLS: Tool[] = [
  described('echo', {
    inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
    annotations: { readOnlyHint: true },
  }),
  described('put', { annotations: { idempotentHint: true } }),
  described('structured', { outputSchema: { type: 'object', properties: { n: { type: 'number' } } } }),
  described('mixed'),
  described('picture'),
  described('fails'),
  described('fails_well'),
  described('rpc_error'),
  described('meta'),
  described('steps'),
  described('hang'),
  described('die'),
  described('pid'),
  described('grow'),
  described('bad.name/x'),
  described('bad_name_x'),
  described('bad.name:x'),
];

const text = (value: unknown): CallToolResult => ({
  content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }],
});

/** @param cancelled a file to write to when a call is cancelled. @param endless its list has no last page. @param die ends the server's process or connection. */
export function fixture(o: { cancelled?: string | undefined; endless?: boolean; die?: () => void } = {}): Server {
  const server = new Server({ name: 'fixture', version: '1.0.0' }, { capabilities: { tools: { listChanged: true } } });
  let tools = TOOLS;
  // seven a page, so that a client that ignores the cursor is found out
  server.setRequestHandler(ListToolsRequestSchema, ({ params }) => {
    const from = Number(params?.cursor ?? 0);
    return {
      tools: tools.slice(from, from + 7),
      ...((o.endless || from + 7 < tools.length) && { nextCursor: String((from + 7) % tools.length) }),
    };
  });
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal, sendNotification, _meta }): Promise<CallToolResult> => {
    switch (params.name) {
      case 'echo':
        return text(params.arguments?.text);
      case 'structured':
        return { structuredContent: { n: 1 }, content: [{ type: 'text', text: '{"n":1}' }] };
      case 'mixed':
        return { structuredContent: { n: 2 }, content: [{ type: 'text', text: 'There are two.' }] };
      case 'picture':
        return {
          content: [
            { type: 'text', text: 'a picture' },
            { type: 'image', mimeType: 'image/png', data: 'iVBORw==' },
            { type: 'resource', resource: { uri: 'file:///a.txt', text: 'inside' } },
            { type: 'resource', resource: { uri: 'file:///a.pdf', mimeType: 'application/pdf', blob: 'JVBERg==' } },
            { type: 'resource_link', uri: 'https://example.test/b', name: 'b' },
            { type: 'audio', mimeType: 'audio/wav', data: 'UklGRg==' },
          ],
        };
      case 'fails':
        return { ...text('it did not work'), isError: true };
      case 'fails_well':
        return {
          ...text('try later'),
          isError: true,
          _meta: { 'rondo/error': { code: 'SERVICE_UNAVAILABLE', retryable: true, outcome: 'not-run', retryAfter: 20 } },
        };
      case 'rpc_error':
        throw new McpError(ErrorCode.InvalidParams, 'n must be a number');
      case 'meta':
        return text(_meta);
      case 'steps':
        for (let progress = 1; progress <= 2; progress++) {
          const progressToken = _meta?.progressToken as number;
          await sendNotification({
            method: 'notifications/progress',
            params: { progressToken, progress, total: 2, message: `step ${progress}` },
          });
        }
        return text('done');
      case 'hang':
        await sendNotification({
          method: 'notifications/progress',
          params: { progressToken: _meta?.progressToken as number, progress: 0 },
        });
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        if (o.cancelled) writeFileSync(o.cancelled, 'cancelled');
        return text('late');
      case 'die':
        console.error('the fixture dies');
        o.die?.();
        return new Promise(() => {});
      case 'pid':
        return text(String(process.pid));
      case 'grow':
        tools = [...TOOLS, described('grown')];
        await server.sendToolListChanged();
        return text('grown');
      default:
        return text(params.name);
    }
  });
  return server;
}
