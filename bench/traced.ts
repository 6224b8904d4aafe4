/** The bare loop with the spans that Rondo makes, written by hand on the same API: the cost of the SDK itself. */
import { context, SpanKind, trace } from '@opentelemetry/api';
import type { Message, ModelRequest } from '../src/index.ts';
import { ATTR, FINISH, OPERATION, TOOL_TYPE } from '../src/telemetry/names.ts';
import { answer, type BareLoop, isCall } from './bare.ts';
import { INSTRUCTIONS, QUESTION } from './workload.ts';

const NEVER = new AbortController().signal;
let runs = 0;

/** One `invoke_agent` span, and in it one `chat` per model call and one `execute_tool` per tool call, with as many attributes. */
export async function tracedRun({ model, tools, execute }: BareLoop): Promise<number> {
  const tracer = trace.getTracer('bench');
  const common = { [ATTR.agent]: 'bench', [ATTR.run]: `run-${++runs}` };
  const root = tracer.startSpan(`${OPERATION.agent} bench`, {
    kind: SpanKind.INTERNAL,
    attributes: { ...common, [ATTR.operation]: OPERATION.agent, [ATTR.epoch]: 1 },
  });
  const inRoot = trace.setSpan(context.active(), root);
  const messages: Message[] = [{ role: 'user', content: [{ type: 'text', text: QUESTION }] }];
  const request: ModelRequest = { instructions: INSTRUCTIONS, messages, tools };
  for (let turns = 0; ; turns++) {
    const asked = { ...common, [ATTR.operation]: OPERATION.chat, [ATTR.provider]: model.provider, [ATTR.requestModel]: model.id };
    const chat = tracer.startSpan(
      `${OPERATION.chat} ${model.id}`,
      { kind: SpanKind.CLIENT, attributes: { ...asked, [ATTR.step]: turns + 1 } },
      inRoot,
    );
    const { content, stop, usage } = await model.generate(request, { signal: NEVER });
    messages.push({ role: 'assistant', content });
    chat.setAttributes({
      [ATTR.provider]: model.provider,
      [ATTR.responseModel]: model.id,
      [ATTR.finishReasons]: [FINISH[stop]],
      [ATTR.inputTokens]: usage?.input ?? 0,
      [ATTR.outputTokens]: usage?.output ?? 0,
      [ATTR.costUsd]: 0.0045,
      [ATTR.attempts]: 1,
    });
    chat.end();
    const call = content.find(isCall);
    if (!call) {
      root.end();
      return turns;
    }
    const about = {
      ...common,
      [ATTR.operation]: OPERATION.tool,
      [ATTR.tool]: call.name,
      [ATTR.toolType]: TOOL_TYPE,
      [ATTR.toolCall]: call.id,
    };
    const attributes = { ...about, [ATTR.call]: `${turns}.0`, [ATTR.step]: turns + 1, [ATTR.effect]: 'read' };
    const span = tracer.startSpan(`${OPERATION.tool} ${call.name}`, { kind: SpanKind.INTERNAL, attributes }, inRoot);
    const result = await context.with(trace.setSpan(inRoot, span), () => answer(call, execute));
    messages.push({ role: 'tool', content: [result] });
    span.setAttributes({ [ATTR.attempts]: 1, [ATTR.outcome]: 'done' });
    span.end();
  }
}
