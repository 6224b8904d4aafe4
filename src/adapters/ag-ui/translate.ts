import { type AGUIEvent, EventType, type RunFinishedOutcome } from '@ag-ui/core';
import type { RunResult } from '../../engine/read/results.ts';
import type { RunEvent } from '../../engine/read/run-event.ts';
import { speaking, spokenIn } from '../../engine/read/text.ts';
import type { Json } from '../../json.ts';
import { interruptsOf } from './interrupts.ts';

export interface TranslateOptions {
  /** Of the request. */
  readonly threadId: string;
  readonly runId: string;
  /** The engine's run, which has a turn for each request. Ids of messages and calls begin with it, so they are the same in every stream. */
  readonly of: string;
  /** The reader joins a turn under way: what a model has streamed of its current answer was not seen. */
  readonly joined: boolean;
  /** Whether the client gets the reasoning of the models. */
  readonly reasoning: boolean;
  readonly usage: boolean;
  /** The client speaks AG-UI 1.0, which has an outcome for cancelled runs. */
  readonly modern: boolean;
}

type Of<T extends RunEvent['type']> = Extract<RunEvent, { type: T }>;
type Delta = Of<'text.delta' | 'reasoning.delta'>;

/**
 * Translates the events of one turn. A client gets the text of the agent that talks to the user, the tool calls of all agents, and a step for each
 * sub-agent and each node. It is told the codes of failures, never the messages, which may expose internals.
 */
export class Translator {
  readonly #o: TranslateOptions;
  readonly #speaks = speaking();
  /** The text message of the turn. Reasoning closes it, and more text of the same turn opens it again: what was sent counts over both. */
  #text: { id: string; turn: string; sent: string; open: boolean } | undefined;
  /** The reasoning that is open. */
  #thought: string | undefined;
  #spoke = false;
  /** The first answer that streams to a reader who joined. It is shown once it is whole. */
  #held: string | undefined;
  /** The names of open steps, by the call of the sub-agent or the place of the node. */
  readonly #steps = new Map<string, string>();
  /** Where the ids of the calls begin that a foreign agent asks about: no model wrote them, so the page was not shown them. */
  #unseen: string | undefined;
  #out: AGUIEvent[] = [];

  constructor(o: TranslateOptions) {
    this.#o = o;
  }

  translate(event: RunEvent): AGUIEvent[] {
    this.#out = [];
    this.#take(event, this.#speaks(event));
    return this.#out;
  }

  /** The steps that are open, for a reader who did not see them begin. */
  openSteps(): AGUIEvent[] {
    return [...this.#steps.values()].map((stepName) => ({ type: EventType.STEP_STARTED, stepName }));
  }

  #take(event: RunEvent, spoken: boolean): void {
    switch (event.type) {
      case 'text.delta':
      case 'reasoning.delta':
        if (spoken && event.text !== '') this.#delta(event);
        break;
      case 'model.finished':
        this.#answered(event, spoken);
        break;
      case 'attempt.failed':
        this.#failed(event, spoken);
        break;
      case 'tool.progress':
        this.#custom('progress', { toolCallId: this.#call(event.callId), data: event.data });
        break;
      case 'tool.finished':
        this.#returned(event);
        break;
      case 'agent.started':
        this.#begin(event.callId, event.agent);
        break;
      case 'graph.started':
        for (const node of event.next) this.#begin(placeOf(event, node), node);
        break;
      case 'node.started':
        this.#begin(placeOf(event, event.node), event.node);
        break;
      case 'node.finished':
        this.#end(placeOf(event, event.node));
        for (const node of event.next) this.#begin(placeOf(event, node), node);
        break;
      case 'durable.started':
        this.#begin(event.callId, `${event.node}/${event.name}`);
        break;
      case 'durable.finished':
        this.#end(event.callId);
        break;
      case 'turn.finished':
        this.#unseen = `${event.seq}.`;
        if (spoken) this.#finish();
        break;
      case 'state.changed':
        this.#out.push({ type: EventType.STATE_SNAPSHOT, snapshot: event.state });
        break;
      case 'approval.asked':
        if (this.#unseen !== undefined && event.approval.kind === 'tool' && event.approval.callId.startsWith(this.#unseen))
          this.#calling(this.#call(event.approval.callId), event.approval.tool, event.approval.input, `${this.#o.of}:${event.seq}`);
        break;
      case 'wait.began':
        this.#custom('waiting', event.waiting);
        break;
      case 'run.ended':
        this.#ended(event.result);
        break;
    }
  }

  #call = (callId: string): string => `${this.#o.of}:${callId}`;

  #custom(name: string, value: Json): void {
    this.#out.push({ type: EventType.CUSTOM, name: `rondo.${name}`, value });
  }

  #begin(key: string, name: string): void {
    if (this.#steps.has(key)) return;
    // clients want different names of the steps that are open
    const stepName = [...this.#steps.values()].includes(name) ? `${name} ${key}` : name;
    this.#steps.set(key, stepName);
    this.#out.push({ type: EventType.STEP_STARTED, stepName });
  }

  #end(key: string): void {
    const stepName = this.#steps.get(key);
    if (stepName === undefined) return;
    this.#steps.delete(key);
    this.#out.push({ type: EventType.STEP_FINISHED, stepName });
  }

  #delta(event: Delta): void {
    const turn = `${event.path.length}.${event.step}.${event.attempt}`;
    if (this.#o.joined) this.#held ??= turn;
    if (this.#held === turn) return;
    if (event.type === 'text.delta') {
      if (this.#text?.turn !== turn || !this.#text.open) this.#open(this.#message(event, event.attempt), turn);
      this.#say(event.text);
      return;
    }
    if (!this.#o.reasoning) return;
    const messageId = `${this.#message(event, event.attempt)}:reasoning`;
    if (this.#thought !== messageId) {
      this.#close();
      this.#thought = messageId;
      this.#out.push({ type: EventType.REASONING_START, messageId });
      this.#out.push({ type: EventType.REASONING_MESSAGE_START, messageId, role: 'reasoning' });
    }
    this.#out.push({ type: EventType.REASONING_MESSAGE_CONTENT, messageId, delta: event.text });
  }

  /** The same in the stream and in the journal: the answer of a step has one id, and a draft that failed before it another. */
  #message({ path, step }: RunEvent, attempt = 1): string {
    return `${this.#o.of}:${path.length > 1 ? `${path.length}-` : ''}${step}${attempt > 1 ? `~${attempt}` : ''}`;
  }

  #open(messageId: string, turn: string): void {
    this.#close();
    const sent = this.#text?.turn === turn ? this.#text.sent : '';
    this.#text = { id: messageId, turn, sent, open: true };
    this.#out.push({ type: EventType.TEXT_MESSAGE_START, messageId, role: 'assistant' });
  }

  #say(delta: string): void {
    if (!this.#text || delta === '') return;
    this.#spoke = true;
    this.#text.sent += delta;
    this.#out.push({ type: EventType.TEXT_MESSAGE_CONTENT, messageId: this.#text.id, delta });
  }

  /** Ends the text or the reasoning that is open. */
  #close(): void {
    if (this.#thought !== undefined) {
      this.#out.push({ type: EventType.REASONING_MESSAGE_END, messageId: this.#thought });
      this.#out.push({ type: EventType.REASONING_END, messageId: this.#thought });
    }
    if (this.#text?.open) {
      this.#out.push({ type: EventType.TEXT_MESSAGE_END, messageId: this.#text.id });
      this.#text.open = false;
    }
    this.#thought = undefined;
  }

  /** Ends the turn: what comes next is of another one. */
  #finish(): void {
    this.#close();
    this.#text = undefined;
  }

  #answered(event: Of<'model.finished'>, spoken: boolean): void {
    const { content } = event.message;
    let parent = `${this.#o.of}:${event.seq}`;
    if (spoken) {
      const text = spokenIn(content);
      parent = this.#text?.id ?? this.#message(event);
      const { turn = '', sent = '', open = false } = this.#text ?? {};
      const rest = text.startsWith(sent) ? text.slice(sent.length) : '';
      if (rest !== '' && !open) this.#open(parent, turn);
      this.#say(rest);
      this.#finish();
    }
    const calls = content.flatMap((part) => (part.type === 'toolCall' ? [part] : []));
    calls.forEach(({ name, input }, i) => {
      this.#calling(this.#call(`${event.seq}.${i}`), name, input, parent);
    });
  }

  #calling(toolCallId: string, toolCallName: string, input: Json, parentMessageId: string): void {
    this.#out.push({ type: EventType.TOOL_CALL_START, toolCallId, toolCallName, parentMessageId });
    this.#out.push({ type: EventType.TOOL_CALL_ARGS, toolCallId, delta: JSON.stringify(input) });
    this.#out.push({ type: EventType.TOOL_CALL_END, toolCallId });
  }

  #returned({ callId, outcome }: Of<'tool.finished'>): void {
    this.#end(callId);
    const toolCallId = this.#call(callId);
    const { output } = outcome as { output?: unknown };
    const told = outcome.ok ? output : { error: { code: outcome.error.code } };
    const content = typeof told === 'string' ? told : JSON.stringify(told ?? null);
    this.#out.push({ type: EventType.TOOL_CALL_RESULT, messageId: `${toolCallId}:result`, toolCallId, content, role: 'tool' });
  }

  /** A text that was streamed before the attempt failed is a draft: the next attempt begins again. */
  #failed(event: Of<'attempt.failed'>, spoken: boolean): void {
    const { callId, attempt, code, retryIn } = event;
    const draft = callId === undefined && spoken ? this.#text?.id : undefined;
    if (callId === undefined && spoken) this.#finish();
    this.#custom('retry', {
      attempt,
      code,
      ...(callId !== undefined && { toolCallId: this.#call(callId) }),
      ...(retryIn !== undefined && { retryIn }),
      ...(draft !== undefined && { discarded: draft }),
    });
  }

  #ended(result: RunResult): void {
    // for example a graph, whose only text is its output
    if (result.status === 'completed' && typeof result.output === 'string' && result.output !== '' && !this.#spoke) {
      this.#open(`${this.#o.of}:output`, '');
      this.#say(result.output);
    }
    this.#finish();
    for (const key of [...this.#steps.keys()]) this.#end(key);
    const { usage, costUsd } = result;
    if (this.#o.usage) this.#custom('usage', { input: usage.input, output: usage.output, ...(costUsd !== undefined && { costUsd }) });
    this.#out.push(this.#ending(result));
  }

  #ending(result: RunResult): AGUIEvent {
    switch (result.status) {
      case 'completed':
        return this.#finished({ type: 'success' }, result.output);
      case 'paused': {
        const [first, ...others] = interruptsOf(result.approvals, (a) => (a.kind === 'tool' ? this.#call(a.callId) : undefined));
        // a run that waits only for a time asks nothing
        return this.#finished(first ? { type: 'interrupt', interrupts: [first, ...others] } : { type: 'success' });
      }
      case 'cancelled':
        if (this.#o.modern) return this.#finished({ type: 'cancelled' });
        return { type: EventType.RUN_ERROR, code: 'CANCELLED', message: 'The run was cancelled.' };
      case 'stopped': {
        const { name } = result.limit;
        return { type: EventType.RUN_ERROR, code: `LIMIT_${name.toUpperCase()}`, message: `The run stopped at its limit of ${name}.` };
      }
      case 'failed':
        return { type: EventType.RUN_ERROR, code: result.error.code, message: `The run failed: ${result.error.code}.` };
    }
  }

  #finished(outcome: RunFinishedOutcome, output?: unknown): AGUIEvent {
    const { threadId, runId } = this.#o;
    return { type: EventType.RUN_FINISHED, threadId, runId, ...(output !== undefined && output !== null && { result: output }), outcome };
  }
}

/** The place of a graph's node, as the key of its step. */
const placeOf = ({ path }: RunEvent, node: string): string => `${path.join('/')}:${node}`;
