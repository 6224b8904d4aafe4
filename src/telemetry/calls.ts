import { type Attributes, SpanKind } from '@opentelemetry/api';
import { inputOf } from '../journal/fold/spent.ts';
import type { ModelRequest, ModelSettings, Usage } from '../ports/model.ts';
import { answerAttribute, clip, instructionsAttribute, jsonAttribute, messagesAttribute } from './content.ts';
import { quietly } from './guard.ts';
import { ATTR, EVENT, errorType, FINISH, OPERATION, providerName, TOOL_TYPE } from './names.ts';
import { activeWith, type Claim, Recorder, startChild } from './recorder.ts';
import type { ChatEnd, ChatTrace, FailedAttempt, NodeTrace, ToolEnd, ToolStart, ToolTrace, TracedModel } from './trace.ts';

/** The calls of a claim that have not ended. When the claim ends, it ends them too. */
export type Open = Set<Pick<ToolTrace, 'end'>>;

interface Start {
  target: 'model' | 'tool';
  name: string;
  kind: SpanKind;
  attributes: Attributes;
  /** The attributes of this call's metrics. */
  dimensions: Attributes;
  /** Epoch milliseconds. */
  at: number;
}

/** Records one model or tool call with all its attempts, as one span. */
abstract class CallRecorder extends Recorder {
  readonly #open: Open;
  readonly #target: 'model' | 'tool';
  protected readonly dimensions: Attributes;

  constructor(claim: Claim, open: Open, o: Start) {
    const span = startChild(claim, o.name, o.kind, { ...o.dimensions, ...o.attributes }, o.at);
    super(claim, span, activeWith(claim, span), o.at);
    this.#open = open;
    this.#target = o.target;
    this.dimensions = o.dimensions;
    open.add(this);
  }

  abstract end(o: ToolEnd, at?: number): void;

  /** As {@link Recorder.close}. */
  protected override close(attributes: Attributes, o: Parameters<Recorder['close']>[1]): number | undefined {
    this.#open.delete(this);
    return super.close(attributes, o);
  }

  failedAttempt(a: FailedAttempt, at?: number): void {
    const code = errorType(a.code);
    this.event(
      EVENT.attemptFailed,
      {
        [ATTR.attempt]: a.attempt,
        [ATTR.errorType]: code,
        [ATTR.retryIn]: a.retryIn,
        [ATTR.fallback]: a.fallback,
        [ATTR.errorMessage]: this.claim.content ? a.message : undefined,
      },
      at,
    );
    if (a.retryIn === undefined && a.fallback === undefined) return;
    const { instruments } = this.claim;
    if (instruments)
      quietly(() => instruments.retries.add(1, { ...this.dimensions, [ATTR.target]: this.#target, [ATTR.errorType]: code }, this.context));
  }
}

interface ChatStart {
  step: number;
  model: TracedModel;
  request: ModelRequest | undefined;
  at: number;
  summary: boolean | undefined;
}

export class ChatRecorder extends CallRecorder implements ChatTrace {
  readonly #provider: string;
  #id: string | undefined;
  #firstChunk: number | undefined;

  constructor(claim: Claim, open: Open, o: ChatStart) {
    const { step, model, request, at } = o;
    const dimensions: Attributes = {
      [ATTR.operation]: OPERATION.chat,
      ...modelAttributes(model),
    };
    super(claim, open, {
      target: 'model',
      name: `${OPERATION.chat} ${model.id}`,
      kind: model.standin ? SpanKind.INTERNAL : SpanKind.CLIENT,
      attributes: {
        [ATTR.step]: step,
        [ATTR.maxTokens]: model.maxOutput,
        [ATTR.summary]: o.summary,
        [ATTR.outputType]: request?.output && 'json',
        ...(model.settings && settingsAttributes(model.settings)),
      },
      dimensions,
      at,
    });
    this.#provider = model.provider;
    const { span } = this;
    if (span && request && claim.content)
      quietly(() =>
        span.setAttributes({
          [ATTR.instructions]: instructionsAttribute(request.instructions),
          [ATTR.inputMessages]: messagesAttribute(request.messages),
        }),
      );
  }

  answered(id: string | undefined, firstChunk?: number): void {
    this.#id = id;
    this.#firstChunk = firstChunk;
  }

  end(o: ChatEnd, at?: number): void {
    const { error, usage, usd, content } = o;
    const answered = this.#answered(o.model);
    const seconds = this.close(
      {
        ...answered,
        [ATTR.responseId]: this.#id,
        [ATTR.stream]: this.#firstChunk === undefined ? undefined : true,
        [ATTR.firstChunk]: this.#firstChunk,
        [ATTR.finishReasons]: o.stop && [FINISH[o.stop]],
        ...(usage && usageAttributes(usage)),
        [ATTR.costUsd]: usd,
        [ATTR.attempts]: o.attempts,
      },
      { error, at, content: content && (() => ({ [ATTR.outputMessages]: answerAttribute(content) })) },
    );
    const { instruments } = this.claim;
    if (seconds === undefined || !instruments) return;
    quietly(() => {
      const dimensions = { ...this.dimensions, ...answered };
      instruments.operation.record(seconds, error ? { ...dimensions, [ATTR.errorType]: errorType(error.code) } : dimensions, this.context);
      if (usage) {
        const input = inputOf(usage);
        instruments.tokens.record(input, { ...dimensions, [ATTR.tokenType]: 'input' }, this.context);
        instruments.tokens.record(usage.output, { ...dimensions, [ATTR.tokenType]: 'output' }, this.context);
      }
      if (usd !== undefined && usd > 0) instruments.cost.add(usd, { ...dimensions, [ATTR.agent]: this.claim.agent }, this.context);
    });
  }

  /** The provider and the model that answered. After a fallback they may differ from those that were asked. */
  #answered(model: string | undefined): Attributes {
    if (model === undefined) return {};
    const slash = model.indexOf('/');
    const provider = slash < 0 ? this.#provider : model.slice(0, slash);
    return { [ATTR.provider]: providerName(provider), [ATTR.responseModel]: model.slice(slash + 1) };
  }
}

export class ToolRecorder extends CallRecorder implements ToolTrace {
  /** US dollars of all attempts. */
  #usd: number | undefined;

  constructor(claim: Claim, open: Open, step: number, call: ToolStart, at: number) {
    const dimensions: Attributes = { [ATTR.tool]: call.name, [ATTR.toolType]: TOOL_TYPE, [ATTR.agent]: claim.agent };
    super(claim, open, {
      target: 'tool',
      name: `${OPERATION.tool} ${call.name}`,
      kind: SpanKind.INTERNAL,
      attributes: {
        [ATTR.operation]: OPERATION.tool,
        [ATTR.toolCall]: call.id ?? call.call,
        [ATTR.call]: call.call,
        [ATTR.step]: step,
        [ATTR.effect]: call.effect,
        [ATTR.toolDescription]: call.description && clip(call.description),
      },
      dimensions,
      at,
    });
    const { span } = this;
    if (span && claim.content) quietly(() => span.setAttributes({ [ATTR.toolArguments]: jsonAttribute(call.input) }));
  }

  override failedAttempt(a: FailedAttempt, at?: number): void {
    this.#paid(a.usd);
    super.failedAttempt(a, at);
  }

  #paid(usd: number | undefined): void {
    if (usd !== undefined) this.#usd = (this.#usd ?? 0) + usd;
  }

  end(o: ToolEnd, at?: number): void {
    const { error } = o;
    this.#paid(o.usd);
    const usd = this.#usd;
    const cached: Attributes = o.cached ? { [ATTR.cached]: true } : {};
    const seconds = this.close(
      { [ATTR.costUsd]: usd, [ATTR.attempts]: o.attempts, [ATTR.outcome]: error ? error.outcome : 'done', ...cached },
      { error, at, content: () => ({ [ATTR.toolResult]: jsonAttribute(o.output) }) },
    );
    const { instruments } = this.claim;
    if (seconds === undefined || !instruments) return;
    quietly(() =>
      instruments.tool.record(
        seconds,
        error ? { ...this.dimensions, [ATTR.errorType]: errorType(error.code) } : { ...this.dimensions, ...cached },
        this.context,
      ),
    );
    if (usd !== undefined && usd > 0) quietly(() => instruments.cost.add(usd, this.dimensions, this.context));
  }
}

export class NodeRecorder extends Recorder implements NodeTrace {
  readonly #open: Open;

  constructor(claim: Claim, open: Open, step: number, { call, name }: { call: string; name: string }, at: number) {
    const attributes: Attributes = { [ATTR.node]: name, [ATTR.call]: call, [ATTR.step]: step };
    const span = startChild(claim, `${OPERATION.node} ${name}`, SpanKind.INTERNAL, attributes, at);
    super(claim, span, activeWith(claim, span), at);
    this.#open = open;
    open.add(this);
  }

  end({ error }: Pick<ToolEnd, 'error'>, at?: number): void {
    this.#open.delete(this);
    this.close({}, { error, at });
  }
}

/** The model that is asked. */
export function modelAttributes({ provider, id, standin }: Pick<TracedModel, 'provider' | 'id' | 'standin'>): Attributes {
  return {
    [ATTR.provider]: providerName(provider),
    [ATTR.requestModel]: id,
    // so that charts can leave out stand-ins such as scripted models
    ...(standin ? { [ATTR.standin]: true } : {}),
  };
}

function settingsAttributes({ temperature, topP, server }: ModelSettings): Attributes {
  const [, address, port] = /^(.*?)(?::(\d+))?$/.exec(server ?? '') ?? [];
  return {
    [ATTR.temperature]: temperature,
    [ATTR.topP]: topP,
    [ATTR.serverAddress]: address || undefined,
    [ATTR.serverPort]: address ? Number(port ?? 443) : undefined,
  };
}

export function usageAttributes({ input, output, cacheRead, cacheWrite, reasoning }: Usage): Attributes {
  return {
    // the conventions count cached tokens as input; Usage counts them apart
    [ATTR.inputTokens]: input + (cacheRead ?? 0) + (cacheWrite ?? 0),
    [ATTR.outputTokens]: output,
    [ATTR.cacheReadTokens]: cacheRead,
    [ATTR.cacheWriteTokens]: cacheWrite,
    [ATTR.reasoningTokens]: reasoning,
  };
}
