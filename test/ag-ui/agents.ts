/** An agent that does what the user says, and a front end of AG-UI: the official client, unmodified. */
import { type AgentSubscriber, HttpAgent, type Interrupt, type Message, type RunAgentInput } from '@ag-ui/client';
import type { BaseEvent } from '@ag-ui/core';
import { agent, askHuman, jsonSchema, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

/** It knows `say`, `history`, `fail <code>` and `call <tool> <json>`, several with `;` between, and says what the calls returned. */
export function obedient() {
  const paid: unknown[] = [];
  const pay = tool({
    name: 'pay',
    description: 'Pays',
    input: jsonSchema<{ to: string; cents: number }>({
      type: 'object',
      properties: { to: { type: 'string' }, cents: { type: 'number' } },
      required: ['to', 'cents'],
      additionalProperties: false,
    }),
    approval: ({ to }) => to !== 'me' && { reason: `money to ${to}`, ...(to === 'boss' && { roles: ['lead'] }) },
    execute: ({ to, cents }) => {
      paid.push({ to, cents });
      return `paid ${cents} to ${to}`;
    },
  });
  const model = scripted(({ messages }) => {
    const last = messages.findLastIndex((m) => m.role === 'user');
    const said = (messages[last]?.content ?? []).map((p) => (p.type === 'text' ? p.text : `<${p.type}>`)).join(' ');
    const results = messages.slice(last + 1).flatMap((m) => (m.role === 'tool' ? m.content : []));
    if (said === 'history') return `${messages.filter((m) => m.role === 'user').length} of the user`;
    if (said.startsWith('fail ')) return { error: said.slice(5) };
    const calls = [...said.matchAll(/call (\w+) (\{.*?\})(?:;|$)/g)];
    const toolCalls = calls.map(([, name = '', input = '{}']) => ({ name, input: JSON.parse(input) }));
    if (toolCalls.length > 0 && results.length === 0) return { text: 'I will.', toolCalls };
    const texts = results.flatMap((r) => (r.type === 'toolResult' ? r.output.slice(-1) : [])).map((o) => (o.type === 'text' ? o.text : ''));
    return results.length > 0 ? `Done: ${texts.join(' and ')}` : `You said: ${said}`;
  });
  const clerk = agent({ name: 'clerk', instructions: '', tools: [pay, askHuman({ name: 'ask', description: 'Asks' })], model });
  return { clerk, paid, model };
}

export interface Seen {
  events: BaseEvent[];
  interrupts: Interrupt[];
  error?: { code?: string | undefined; message: string };
}

interface Sent {
  runId?: string;
  resume?: NonNullable<RunAgentInput['resume']>;
  on?: NonNullable<AgentSubscriber['onEvent']>;
}

/** A page with a thread. */
export class Page {
  readonly agent: HttpAgent;

  constructor(url: string, threadId: string, headers: Record<string, string> = {}) {
    this.agent = new HttpAgent({ url, threadId, headers });
  }

  say(text: string, o: Sent = {}): Promise<Seen> {
    this.agent.addMessage({ id: `u${this.agent.messages.length}`, role: 'user', content: text });
    return this.send(o);
  }

  async send({ runId, resume, on }: Sent = {}): Promise<Seen> {
    const seen: Seen = { events: [], interrupts: [] };
    await this.agent.runAgent(
      { ...(runId && { runId }), ...(resume && { resume }) },
      {
        onEvent: (params) => {
          seen.events.push(params.event);
          return on?.(params);
        },
        onRunErrorEvent: ({ event }) => {
          seen.error = { code: event.code, message: event.message };
        },
      },
    );
    seen.interrupts = this.agent.pendingInterrupts;
    return seen;
  }

  answer(payload: (interrupt: Interrupt) => unknown): Promise<Seen> {
    const resume = this.agent.pendingInterrupts.map((i) => ({ interruptId: i.id, status: 'resolved' as const, payload: payload(i) }));
    return this.send({ resume });
  }

  /** The conversation as the page shows it. */
  get shown(): unknown[] {
    return this.agent.messages.map(shownAs);
  }
}

function shownAs(m: Message): unknown {
  if (m.role === 'tool') return { result: m.content };
  if (m.role !== 'assistant') return { [m.role]: 'content' in m ? m.content : '' };
  return {
    ...(m.content && { assistant: m.content }),
    ...(m.toolCalls && { calls: m.toolCalls.map((c) => [c.function.name, JSON.parse(c.function.arguments)]) }),
  };
}

export const typesOf = ({ events }: Seen): string[] => events.map(({ type }) => type);
