import { type BaseModelConfig, type Message, Model, type ModelStreamEvent, type StreamOptions } from '@strands-agents/sdk';
import { estimate } from './model.ts';

/** What it calculates, and how it states the result. */
const FORMULAS: Readonly<Record<string, (value: string) => string>> = {
  'growth(trips, 2024-Q1, 2025-Q4)': (v) => `Trips in a quarter rose by ${v} per cent between 2024-Q1 and 2025-Q4`,
  'ratio(cost_eur, trips, 2024-Q1)': (v) => `A trip cost ${v} euros in 2024-Q1`,
  'ratio(cost_eur, trips, 2025-Q4)': (v) => `A trip cost ${v} euros in 2025-Q4`,
  'total(cost_eur)': (v) => `Over two years the pilot cost ${v} euros`,
  'share(fares_eur, cost_eur)': (v) => `Fares covered ${v} per cent of that`,
};

type Delta = Extract<ModelStreamEvent, { type: 'modelContentBlockDeltaEvent' }>['delta'];
type Start = Extract<ModelStreamEvent, { type: 'modelContentBlockStartEvent' }>['start'];

/** A stand-in for a Strands model: a tool calculates the figures, and it reports them. */
export class RulesModel extends Model<BaseModelConfig> {
  override updateConfig() {}
  override getConfig() {
    return { modelId: 'standin' };
  }

  override async *stream(messages: Message[], options?: StreamOptions): AsyncIterable<ModelStreamEvent> {
    const lines = linesOf(messages);
    const rule = lines ? `rule 2: ${lines.length} figures are in, say them` : 'rule 1: have five figures worked out';
    yield { type: 'modelMessageStartEvent', role: 'assistant' };
    yield* block({ type: 'reasoningContentDelta', text: `${rule}\n` });
    if (lines) yield* block({ type: 'textDelta', text: lines.join('\n') });
    else
      for (const [i, formula] of Object.keys(FORMULAS).entries())
        yield* block(
          { type: 'toolUseInputDelta', input: JSON.stringify({ formula }) },
          { type: 'toolUseStart', name: 'calculate', toolUseId: `calculate-${i}` },
        );
    yield { type: 'modelMessageStopEvent', stopReason: lines ? 'endTurn' : 'toolUse' };
    const inputTokens = estimate([messages, options?.systemPrompt ?? '', options?.toolSpecs ?? []]);
    const outputTokens = estimate(lines ?? Object.keys(FORMULAS));
    yield { type: 'modelMetadataEvent', usage: { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens } };
  }
}

function* block(delta: Delta, start?: Start): Iterable<ModelStreamEvent> {
  yield { type: 'modelContentBlockStartEvent', ...(start && { start }) };
  yield { type: 'modelContentBlockDeltaEvent', delta };
  yield { type: 'modelContentBlockStopEvent' };
}

/** The results of the formulas; undefined if none was requested yet. */
function linesOf(messages: readonly Message[]): string[] | undefined {
  const blocks = messages.flatMap((m) => m.content);
  const asked = new Map(
    blocks.flatMap((b) => (b.type === 'toolUseBlock' ? [[b.toolUseId, (b.input as { formula: string }).formula]] : [])),
  );
  const lines = blocks.flatMap((b) => {
    if (b.type !== 'toolResultBlock' || b.status !== 'success') return [];
    const formula = asked.get(b.toolUseId) ?? '';
    const value = b.content.map((c) => (c.type === 'textBlock' ? c.text : '')).join('');
    return FORMULAS[formula] ? [`- ${FORMULAS[formula](value)} [=${formula}]`] : [];
  });
  return asked.size > 0 ? lines : undefined;
}
