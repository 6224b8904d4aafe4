/**
 * What Amazon Bedrock AgentCore costs besides models, in US dollars. The page of AWS was not read itself: two other pages quote it with
 * the same numbers, https://elliot-digital.co.uk/cloud/bedrock-agentcore (2026-05-03) for the runtime, and
 * https://www.factualminds.com/blog/amazon-bedrock-agentcore-pricing-12-components.md (2026-06-13) for what is metered.
 */
export const AGENTCORE = {
  source: 'https://aws.amazon.com/bedrock/agentcore/pricing/',
  date: '2026-05-03',
  /** An hour of one virtual CPU that works; waiting for a model or a tool costs nothing. */
  cpuHour: 0.0895,
  /** An hour of one GB, as long as the session lives. */
  gbHour: 0.00945,
  /** A call of a tool. */
  gatewayCall: 0.005 / 1_000,
  /** An event of a session that is written. */
  memoryEvent: 0.25 / 1_000,
  /** A long-term record, for a month. */
  memoryRecordMonth: 0.75 / 1_000,
  /** A look-up of long-term records. */
  memoryRetrieval: 0.5 / 1_000,
} as const;
