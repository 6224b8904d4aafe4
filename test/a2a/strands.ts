/** A process that serves a Strands agent. Says `{"url"}`, and then a line for each effect. */
import { flushCompileCache } from 'node:module';
import { Agent, tool } from '@strands-agents/sdk';
import { HumanInTheLoop } from '@strands-agents/sdk/vended-interventions/hitl';
import { z } from 'zod';
import { serveA2A } from '../../src/adapters/a2a/index.ts';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { strandsAgent } from '../../src/adapters/strands/index.ts';
import { Engine } from '../../src/index.ts';
import { FakeModel } from '../strands/model.ts';
import type { Order } from './process.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as Order;
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

const mail = tool({
  name: 'mail',
  description: 'Sends mail',
  inputSchema: z.object({ to: z.string() }),
  callback: ({ to }) => {
    say({ mailed: to });
    return `sent to ${to}`;
  },
});

/** Mails the person that it is told to, and says what the tool said: what it does next is in its conversation. */
class Mailing extends FakeModel {
  override async *stream(...args: Parameters<FakeModel['stream']>) {
    const last = args[0].at(-1)?.content.at(-1);
    if (last?.type === 'toolResultBlock')
      this.said.unshift(`It says: ${last.content.map((c) => (c.type === 'textBlock' ? c.text : JSON.stringify(c))).join('')}`);
    else if (last?.type === 'textBlock' && last.text === 'break') this.said.unshift(new Error('the model broke'));
    else this.said.unshift([{ id: 'c1', name: 'mail', input: { to: last?.type === 'textBlock' ? last.text : '' } }]);
    yield* super.stream(...args);
  }
}

const clerk = strandsAgent({
  name: 'clerk',
  description: 'Writes mail',
  agent: () =>
    new Agent({
      printer: false,
      retryStrategy: null,
      model: new Mailing([]),
      tools: [mail],
      interventions: [new HumanInTheLoop()],
    }),
});
const engine = new Engine({ journal: sqliteJournal(order.journal), agents: [clerk] });
const server = await serveA2A(engine, clerk, order.options);
say({ url: server.url });
// a process that is killed would leave nothing of it
flushCompileCache();
