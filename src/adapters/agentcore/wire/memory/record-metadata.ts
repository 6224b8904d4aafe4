/** Metadata of the records of a strategy, by its schemas: of the event that they were learned from, or found by the model. */
import type { RecordValue } from '../../../../ports/memory-store.ts';
import type { JsonSchema } from '../../../../schema.ts';
import type { Found, Strategy as Learned, Learning, Talk } from '../../../memory/index.ts';
import { unfit } from '../../../memory/strategies/needed.ts';
import { extracted, listOf } from '../../../memory/strategies/prompts.ts';

interface Entry {
  key: string;
  type?: 'STRING' | 'STRINGLIST' | 'NUMBER';
  extractionType?: 'LLM_INFERRED' | 'STRICTLY_CONSISTENT';
  extractionConfig?: { llmExtractionConfig?: Llm };
}
interface Llm {
  definition: string;
  llmExtractionInstruction?: string;
  validation?: {
    stringValidation?: { allowedValues: readonly string[] };
    stringListValidation?: { allowedValues?: readonly string[]; maxItems?: number };
    numberValidation?: { minValue?: number; maxValue?: number };
  };
}
export interface RecordSchema {
  metadataSchema?: readonly Entry[];
}

const isPassed = ({ extractionType }: Entry) => extractionType === 'STRICTLY_CONSISTENT';

/** Whether a model is needed for a schema. */
export const infers = ({ metadataSchema = [] }: RecordSchema = {}): boolean => !metadataSchema.every(isPassed);

/**
 * The strategy with the metadata of its schemas, by the names of its namespaces; the main one is ''. A value that cannot be had is left out: without a model
 * none is inferred.
 */
export function withMetadata(strategy: Learned, schemas: Readonly<Record<string, RecordSchema | undefined>>): Learned {
  const entriesOf = ({ into = '' }: Found): readonly Entry[] => schemas[into]?.metadataSchema ?? [];
  return {
    ...strategy,
    async extract(talk, learning) {
      const found = await strategy.extract(talk, learning);
      const all = found.map((one) => ({ ...one, metadata: { ...one.metadata, ...passedOn(entriesOf(one), talk) } }));
      for (const [into, { metadataSchema = [] } = {}] of Object.entries(schemas)) {
        const asked = metadataSchema.filter((entry) => !isPassed(entry));
        const these = all.filter((one) => (one.into ?? '') === into);
        if (!learning.model || asked.length === 0 || these.length === 0) continue;
        const values = await inferred(these, asked, talk, learning);
        for (const [i, one] of these.entries()) Object.assign(one.metadata, values[i]);
      }
      return all.map(({ metadata, ...one }) => (Object.keys(metadata).length > 0 ? { ...one, metadata } : one));
    },
  };
}

/** As the event has it, whatever was said. */
function passedOn(entries: readonly Entry[], { metadata }: Talk): Record<string, RecordValue> {
  const values: Record<string, RecordValue> = {};
  for (const { key, type = 'STRING' } of entries.filter(isPassed)) {
    const value = Object.hasOwn(metadata, key) ? metadata[key] : undefined;
    if (value === undefined || value === '') continue;
    if (type === 'STRING') values[key] = value;
    else if (type === 'STRINGLIST') values[key] = [value];
    else if (Number.isFinite(Number(value))) values[key] = Number(value);
  }
  return values;
}

const PROMPT = `Each item is a record that was made of the conversation. Answer the metadata of each item, in their order, and of no other. Answer null for what
the conversation does not say. The fields:`;

/** In the order of the records. @throws ToolError `EXTRACTION_INVALID` */
async function inferred(
  these: readonly Found[],
  entries: readonly Entry[],
  talk: Talk,
  learning: Learning,
): Promise<Record<string, RecordValue>[]> {
  const fields = entries.map(({ key, extractionConfig }) => {
    const { definition = '', llmExtractionInstruction: how = '' } = extractionConfig?.llmExtractionConfig ?? {};
    return `- ${key}: ${definition} ${how === 'LATEST_VALUE' ? 'The latest value, if it changed.' : how}`.trim();
  });
  const schema = listOf(Object.fromEntries(entries.map((entry) => [entry.key, schemaOf(entry)])), these.length);
  const items = JSON.stringify(these.map(({ text }) => text));
  const answers = await extracted<Record<string, RecordValue | null>>([PROMPT, ...fields].join('\n'), talk, learning, schema, { items });
  if (answers.length !== these.length) throw unfit('the model did not answer the metadata of each record.');
  return answers.map((answer) =>
    Object.fromEntries(
      Object.entries(answer).filter((value): value is [string, RecordValue] => value[1] !== null && (value[1] as unknown[]).length !== 0),
    ),
  );
}

/** Most characters of a value, and most values of a list. */
const MOST = { text: 256, list: 20 };

function schemaOf({ type = 'STRING', extractionConfig }: Entry): JsonSchema {
  const { stringValidation, stringListValidation, numberValidation } = extractionConfig?.llmExtractionConfig?.validation ?? {};
  const text: JsonSchema = { type: 'string', minLength: 1, maxLength: MOST.text };
  if (type === 'NUMBER') {
    const { minValue, maxValue } = numberValidation ?? {};
    return {
      type: ['number', 'null'],
      ...(minValue !== undefined && { minimum: minValue }),
      ...(maxValue !== undefined && { maximum: maxValue }),
    };
  }
  if (type === 'STRINGLIST') {
    const { allowedValues, maxItems = MOST.list } = stringListValidation ?? {};
    const items: JsonSchema = allowedValues ? { enum: [...allowedValues] } : text;
    return { type: ['array', 'null'], maxItems: Math.min(MOST.list, maxItems), items };
  }
  return stringValidation ? { enum: [...stringValidation.allowedValues, null] } : { ...text, type: ['string', 'null'] };
}
