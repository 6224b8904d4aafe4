import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { fixture } from './fixture.ts';

process.stdin.on('end', () => process.exit(0));
await fixture({ cancelled: process.env.CANCELLED, die: () => process.exit(7) }).connect(new StdioServerTransport());
