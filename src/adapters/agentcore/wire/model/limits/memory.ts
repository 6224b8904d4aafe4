/**
 * Limits of Memory. Sources: the service models of botocore of 7 August 2026 and AWS's API reference. What is newer than those models, IngestData and
 * keys of namespaces, is by the developer guide.
 */
import type { Plane } from '../model.ts';
import {
  BUCKET,
  type Constraint,
  DESCRIPTION,
  entries,
  type Limits,
  like,
  NAME,
  oneOf,
  PAGE,
  range,
  TAG_KEY,
  TAG_VALUE,
  TAGS,
  taggedText,
  text,
} from './limit.ts';

const ID = '[a-zA-Z][a-zA-Z0-9-_]{0,99}-[a-zA-Z0-9]{10}';
const MEMORY: Constraint = {
  min: 12,
  pattern: `(arn:(aws|aws-cn|aws-us-gov):bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:memory/)?${ID}`,
  // measured by the authors of floci
  told: 'Invalid memoryId: not a valid memory ID or ARN',
};
const WORD = '[a-zA-Z0-9][a-zA-Z0-9-_]*';
const ACTOR = text(1, 255, '[a-zA-Z0-9][a-zA-Z0-9-_/]*(?::[a-zA-Z0-9-_/]+)*[a-zA-Z0-9-_/]*');
const SESSION = text(1, 100, WORD);
const STRATEGY = text(1, 100, WORD);
const BRANCH = text(1, 100, WORD);
const EVENT = like('[0-9]+#[a-fA-F0-9]+');
const RECORD = text(40, 50, 'mem-[a-zA-Z0-9-_]*');
const NAMESPACE = text(1, 1024, '[a-zA-Z0-9/*][a-zA-Z0-9-_/*]*(?::[a-zA-Z0-9-_/*]+)*[a-zA-Z0-9-_/*]*');
const RECORD_METADATA = { min: 1, max: 20, keys: TAG_KEY };
const EVENT_METADATA = { min: 0, max: 15, keys: TAG_KEY };
const FILTERS = range(1, 5);
const SESSION_OF = { memoryId: MEMORY, actorId: ACTOR, sessionId: SESSION };
const RECORDS = { memoryId: MEMORY, records: range(0, 100) };
const PLACE = { memoryId: MEMORY, namespace: NAMESPACE, namespacePath: NAMESPACE, maxResults: PAGE.maxResults };

/** The variables of the service, or keys of namespaces of this memory. */
const TEMPLATE = text(1, 512, '[a-zA-Z0-9\\-_\\/]*(\\{[a-zA-Z][a-zA-Z0-9_]{0,31}\\}[a-zA-Z0-9\\-_\\/]*)*');
const TEMPLATES = { namespaces: entries(1, 1, TEMPLATE), namespaceTemplates: entries(1, 1, TEMPLATE) };
const STRATEGY_INPUT = { name: NAME, description: DESCRIPTION, ...TEMPLATES };
const PROMPT = { appendToPrompt: range(1, 30_000) };
const ARN = like('arn:[a-z0-9-\\.]{1,63}:[a-z0-9-\\.]{0,63}:[a-z0-9-\\.]{0,63}:[a-z0-9-\\.]{0,63}:[^/].{0,1023}');
const TOKEN = range(0, 500);
const CONTROLLED = { memoryId: { min: 12, pattern: ID, told: MEMORY.told } as Constraint };
const EXPIRY = range(3, 365);
const KEYS = range(1, 10);
const VALUE_TYPE = oneOf('MetadataValueType');
const DELIVERY = { topicArn: ARN, payloadDeliveryBucketName: BUCKET };
const TRIGGERS = { triggerConditions: { min: 1 }, historicalContextWindowSize: range(0, 50) };

export const MEMORIES: Readonly<Record<Plane, Limits>> = {
  data: {
    CreateEventInput: { ...SESSION_OF, payload: range(0, 100), metadata: EVENT_METADATA, extractionMode: oneOf('ExtractionMode') },
    IngestDataInput: { ...SESSION_OF, metadata: EVENT_METADATA },
    InlineMemoryContent: { payload: range(0, 100) },
    GetEventInput: { ...SESSION_OF, eventId: EVENT },
    DeleteEventInput: { ...SESSION_OF, eventId: EVENT },
    ListEventsInput: { ...SESSION_OF, maxResults: PAGE.maxResults },
    ListSessionsInput: { memoryId: MEMORY, actorId: ACTOR, maxResults: PAGE.maxResults },
    ListActorsInput: { memoryId: MEMORY, maxResults: PAGE.maxResults },
    RetrieveMemoryRecordsInput: PLACE,
    ListMemoryRecordsInput: { ...PLACE, memoryStrategyId: STRATEGY, metadataFilters: FILTERS },
    GetMemoryRecordInput: { memoryId: MEMORY, memoryRecordId: RECORD },
    DeleteMemoryRecordInput: { memoryId: MEMORY, memoryRecordId: RECORD },
    BatchCreateMemoryRecordsInput: RECORDS,
    BatchUpdateMemoryRecordsInput: RECORDS,
    BatchDeleteMemoryRecordsInput: RECORDS,
    ListMemoryExtractionJobsInput: { memoryId: MEMORY, maxResults: range(1, 50) },
    StartMemoryExtractionJobInput: { memoryId: MEMORY },
    Conversational: { role: oneOf('Role') },
    Content: { text: range(1, 100_000) },
    Branch: { name: BRANCH, rootEventId: EVENT },
    BranchFilter: { name: BRANCH },
    MetadataValue: { stringValue: TAG_VALUE },
    FilterInput: { eventMetadata: FILTERS },
    LeftExpression: { metadataKey: TAG_KEY },
    EventMetadataFilterExpression: { operator: oneOf('OperatorType') },
    SessionFilter: { eventFilter: oneOf('EventFilterCondition') },
    MemoryContent: { text: range(1, 16_000) },
    MemoryRecordMetadataValue: { stringValue: taggedText(1, 256), stringListValue: entries(1, 5, taggedText(1, 64)) },
    MemoryRecordCreateInput: {
      requestIdentifier: text(1, 80, '[a-zA-Z0-9_-]+'),
      namespaces: entries(0, 1, NAMESPACE),
      memoryStrategyId: STRATEGY,
      metadata: RECORD_METADATA,
    },
    MemoryRecordUpdateInput: {
      memoryRecordId: RECORD,
      namespaces: entries(0, 1, NAMESPACE),
      memoryStrategyId: STRATEGY,
      metadata: RECORD_METADATA,
    },
    MemoryRecordDeleteInput: { memoryRecordId: RECORD },
    MemoryRecordLeftExpression: { metadataKey: TAG_KEY },
    MemoryMetadataFilterExpression: { operator: oneOf('MemoryRecordOperatorType') },
    SearchCriteria: { searchQuery: range(1, 10_000), topK: range(1, 100), memoryStrategyId: STRATEGY, metadataFilters: FILTERS },
    ExtractionJobFilterInput: { status: oneOf('ExtractionJobStatus') },
  },
  control: {
    CreateMemoryInput: {
      name: NAME,
      description: DESCRIPTION,
      clientToken: TOKEN,
      encryptionKeyArn: ARN,
      memoryExecutionRoleArn: ARN,
      eventExpiryDuration: EXPIRY,
      memoryStrategies: range(0, 6),
      indexedKeys: KEYS,
      namespaceKeys: range(0, 5),
      tags: TAGS,
    },
    UpdateMemoryInput: {
      ...CONTROLLED,
      description: DESCRIPTION,
      clientToken: TOKEN,
      memoryExecutionRoleArn: ARN,
      eventExpiryDuration: EXPIRY,
      addIndexedKeys: KEYS,
      namespaceKeys: range(0, 5),
    },
    GetMemoryInput: { ...CONTROLLED, view: oneOf('MemoryView') },
    DeleteMemoryInput: { ...CONTROLLED, clientToken: TOKEN },
    ListMemoriesInput: { maxResults: PAGE.maxResults },
    SemanticMemoryStrategyInput: STRATEGY_INPUT,
    SummaryMemoryStrategyInput: STRATEGY_INPUT,
    UserPreferenceMemoryStrategyInput: STRATEGY_INPUT,
    EpisodicMemoryStrategyInput: STRATEGY_INPUT,
    CustomMemoryStrategyInput: STRATEGY_INPUT,
    ModifyMemoryStrategyInput: { description: DESCRIPTION, ...TEMPLATES },
    EpisodicReflectionConfigurationInput: TEMPLATES,
    EpisodicOverrideReflectionConfigurationInput: { ...PROMPT, ...TEMPLATES },
    SemanticOverrideExtractionConfigurationInput: PROMPT,
    SemanticOverrideConsolidationConfigurationInput: PROMPT,
    SummaryOverrideConsolidationConfigurationInput: PROMPT,
    UserPreferenceOverrideExtractionConfigurationInput: PROMPT,
    UserPreferenceOverrideConsolidationConfigurationInput: PROMPT,
    EpisodicOverrideExtractionConfigurationInput: PROMPT,
    EpisodicOverrideConsolidationConfigurationInput: PROMPT,
    SelfManagedConfigurationInput: TRIGGERS,
    ModifySelfManagedConfiguration: TRIGGERS,
    InvocationConfigurationInput: DELIVERY,
    ModifyInvocationConfigurationInput: DELIVERY,
    MessageBasedTriggerInput: { messageCount: range(1, 50) },
    TokenBasedTriggerInput: { tokenCount: range(100, 500_000) },
    TimeBasedTriggerInput: { idleSessionTimeout: range(10, 3000) },
    MemoryRecordSchema: { metadataSchema: range(1, 20) },
    MetadataSchemaEntry: { key: TAG_KEY, type: VALUE_TYPE, extractionType: oneOf('ExtractionType') },
    LlmExtractionConfig: { definition: range(1, 1000), llmExtractionInstruction: range(1, 1000) },
    StringValidation: { allowedValues: entries(1, 10, taggedText(1, 256)) },
    StringListValidation: { allowedValues: entries(1, 10, taggedText(1, 64)), maxItems: range(1, 5) },
    IndexedKey: { key: TAG_KEY, type: VALUE_TYPE },
    NamespaceKeyValidation: { allowedValues: range(0, 10), regexPattern: range(0, 64) },
    StreamDeliveryResources: { resources: range(0, 1) },
    KinesisResource: { dataStreamArn: ARN, contentConfigurations: range(1, 1) },
    ContentConfiguration: { type: oneOf('ContentType'), level: oneOf('ContentLevel') },
  },
};
