/** The strategies of a memory as its store executes them. */

import type { Model } from '../../../../ports/model.ts';
import { episodes, facts, type Strategy as Learned, preferences, summary } from '../../../memory/index.ts';
import type { Bound } from '../bindings.ts';
import type { World } from '../call.ts';
import { boundModels, DEFAULT_MODEL } from '../models.ts';
import { infers, type RecordSchema, withMetadata } from './record-metadata.ts';
import { type Memory, type Override, type Strategy, strategiesOf } from './resources.ts';
import { kindOf, reflectionTemplate } from './strategies.ts';

export interface Learning {
  /** Those that are active. */
  strategies(memory: Memory): Learned[];
  /** What of a memory this server does otherwise than AWS, in sentences. */
  notes(memory: Memory): string[];
}

export function learning(world: World, bound: Bound): Learning {
  const model = boundModels(bound);

  const overridesOf = ({ configuration }: Strategy) => {
    const first = (union: Readonly<Record<string, Override>> | undefined) => Object.values(union ?? {})[0];
    return {
      extraction: first(configuration?.extraction?.customExtractionConfiguration),
      consolidation: first(configuration?.consolidation?.customConsolidationConfiguration),
      reflection: configuration?.reflection?.customReflectionConfiguration?.episodicReflectionOverride,
    };
  };

  /** That of the first override that names a bound one, else the default. */
  function modelFor(strategy: Strategy): Model | undefined {
    const { extraction, consolidation, reflection } = overridesOf(strategy);
    for (const override of [extraction, consolidation, reflection]) {
      const found = override && model(override.modelId);
      if (found) return found;
    }
    return model(DEFAULT_MODEL);
  }

  const schemasOf = ({ memoryRecordSchema, configuration }: Strategy): Record<string, RecordSchema | undefined> => {
    const { episodicReflectionConfiguration: own, customReflectionConfiguration: custom } = configuration?.reflection ?? {};
    return { '': memoryRecordSchema, reflections: (own ?? custom?.episodicReflectionOverride)?.memoryRecordSchema };
  };

  function learned(strategy: Strategy): Learned | undefined {
    const made = madeFrom(strategy);
    const schemas = schemasOf(strategy);
    return made && Object.values(schemas).some(Boolean) ? withMetadata(made, schemas) : made;
  }

  function madeFrom(strategy: Strategy): Learned | undefined {
    const kind = kindOf(strategy);
    if (kind === 'SELF_MANAGED') return undefined;
    const own = modelFor(strategy);
    const { extraction, consolidation } = overridesOf(strategy);
    const named = {
      name: strategy.strategyId,
      // AWS reads the whole conversation. Without a model each sentence would become a record, so only those of users are read.
      origins: own ? (['user', 'assistant', 'tool', 'application'] as const) : (['user'] as const),
      ...(own && { model: own }),
    };
    const prompt = extraction && { prompt: extraction.appendToPrompt };
    const merged = consolidation && { consolidation: consolidation.appendToPrompt };
    // AWS admits templates that do not end in "/", so they are put in place after the checks of the strategies
    const place = { namespace: strategy.template };
    switch (kind) {
      case 'SEMANTIC':
        return { ...facts({ ...named, ...prompt, ...merged }), ...place };
      case 'USER_PREFERENCE':
        return { ...preferences({ ...named, ...prompt, ...merged }), ...place };
      case 'SUMMARIZATION':
        return { ...summary({ ...named, ...(consolidation && { prompt: consolidation.appendToPrompt }) }), ...place };
      case 'EPISODIC':
        return {
          ...episodes({ ...named, ...prompt, ...merged }),
          ...place,
          others: { reflections: reflectionTemplate(strategy.configuration) ?? strategy.template },
        };
    }
  }

  function notesOn(strategy: Strategy): string[] {
    const { strategyId: id, configuration } = strategy;
    const kind = kindOf(strategy);
    if (kind === 'SELF_MANAGED')
      return [`The strategy ${id} is self-managed: nothing is delivered to S3 and SNS here. BatchCreateMemoryRecords writes its records.`];
    const notes: string[] = [];
    const unbound = Object.values(overridesOf(strategy)).flatMap((one) => (one && !bound.model(one.modelId) ? [one.modelId] : []));
    for (const modelId of new Set(unbound)) notes.push(`The strategy ${id} names the model ${modelId}: bind it as "model:${modelId}".`);
    if (!modelFor(strategy))
      notes.push(
        kind === 'USER_PREFERENCE' || kind === 'EPISODIC'
          ? `The strategy ${id} has no model, and its extractions fail: bind one as "model:${DEFAULT_MODEL}".`
          : `The strategy ${id} has no model: it takes what users say, sentence by sentence. Bind one as "model:${DEFAULT_MODEL}".`,
      );
    if (!modelFor(strategy) && Object.values(schemasOf(strategy)).some(infers))
      notes.push(`The strategy ${id} has a memoryRecordSchema and no model: no metadata is inferred.`);
    if (configuration?.reflection?.customReflectionConfiguration)
      notes.push(
        `The strategy ${id} overrides the prompt of reflections: they are made with the episodes here, by the prompt of the extraction.`,
      );
    return notes;
  }

  return {
    strategies: (memory) =>
      strategiesOf(world, memory)
        .filter(({ readyAt, goneAt }) => goneAt === undefined && world.clock.now() >= readyAt)
        .flatMap((strategy) => learned(strategy) ?? []),
    notes: (memory) => strategiesOf(world, memory).flatMap(notesOn),
  };
}
