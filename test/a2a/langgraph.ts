/** A process that serves a LangGraph agent. Says `{"url"}`, and then a line for each effect. */
import { flushCompileCache } from 'node:module';
import { AIMessage } from '@langchain/core/messages';
import { interrupt, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { serveA2A } from '../../src/adapters/a2a/index.ts';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { journalSaver, langgraphAgent } from '../../src/adapters/langgraph/index.ts';
import { Engine } from '../../src/index.ts';
import type { Order } from './process.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as Order;
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

const journal = sqliteJournal(order.journal);
const graph = new StateGraph(MessagesAnnotation)
  .addNode('look', ({ messages }) => {
    const city = messages.at(-1)?.text ?? '';
    if (city === 'nowhere') throw new Error('there is no such place');
    say({ looked: city });
    return { messages: [new AIMessage(`a room in ${city}`)] };
  })
  .addNode('book', ({ messages }) => {
    const room = messages.at(-1)?.text ?? '';
    const decided: unknown = interrupt({ tool: 'book', input: { room }, reason: 'it costs money' });
    if (decided === false) return { messages: [new AIMessage(`did not book ${room}`)] };
    const booked = typeof decided === 'object' ? (decided as { room: string }).room : room;
    say({ booked });
    return { messages: [new AIMessage(`booked ${booked}`)] };
  })
  .addEdge(START, 'look')
  .addEdge('look', 'book')
  .compile({ checkpointer: journalSaver(journal) });

const trips = langgraphAgent({ name: 'trips', description: 'Books rooms', graph });
const server = await serveA2A(new Engine({ journal, agents: [trips] }), trips, order.options);
say({ url: server.url });
// a process that is killed would leave nothing of it
flushCompileCache();
