/**
 * The ticket service: an MCP server over stdio, in its own process. It is independent of Rondo; any client may read or ignore what it
 * says about an error in `_meta["rondo/error"]`.
 *
 * node tickets/server.ts --db <file> --faults demo|none
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';
import { openTickets } from './database.ts';
import { FAULTS, faultsOf } from './faults.ts';

const { values } = parseArgs({ options: { db: { type: 'string', default: ':memory:' }, faults: { type: 'string', default: 'demo' } } });
const base = openTickets(values.db);
const faultFor = faultsOf(z.enum(FAULTS).parse(values.faults));
const server = new McpServer({ name: 'tickets', version: '1.0.0' });
const json = (value: Record<string, unknown>) => ({
  structuredContent: value,
  content: [{ type: 'text' as const, text: JSON.stringify(value) }],
});

server.registerTool(
  'list_tickets',
  {
    description: 'Support tickets, the most pressing first.',
    inputSchema: { status: z.enum(['open', 'closed']), limit: z.number().int().min(1).max(50) },
    annotations: { readOnlyHint: true },
  },
  ({ status, limit }) => json({ tickets: base.tickets(status, limit) }),
);

server.registerTool(
  'search_issues',
  {
    description: 'Searches the base of known issues by the words of a ticket. All words must occur.',
    inputSchema: {
      query: z.string().min(1).max(200).describe('words, such as "export hangs"'),
      ticket: z.string().optional().describe('the ticket it is for, such as "T-118"'),
    },
    annotations: { readOnlyHint: true },
  },
  async ({ query, ticket }) => {
    const fault = faultFor(ticket);
    if (!fault) return json({ issues: base.issues(query, 3) });
    await sleep(fault.after);
    return {
      isError: true,
      content: [{ type: 'text', text: fault.message }],
      _meta: { 'rondo/error': { code: 'SERVICE_UNAVAILABLE', retryable: true, outcome: 'failed' } },
    };
  },
);

// Ctrl-C in a terminal reaches every process of the job; this one ends when its client closes the pipe
process.on('SIGINT', () => {});
process.stdin.on('end', () => {
  base.close();
  process.exit(0);
});
await server.connect(new StdioServerTransport());
