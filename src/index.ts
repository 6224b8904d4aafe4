export type { Driven, Resumed } from './engine/drive/driven.ts';
export type { DecideOptions, ResumeOptions } from './engine/drive/resume.ts';
export { Engine } from './engine/engine.ts';
export type { Check, Checked, CheckFunction, GradedCall, GradedRun, Grader, Judging, Verdict } from './engine/evaluate/check.ts';
export type { EvaluateOptions } from './engine/evaluate/options.ts';
export type { Forgotten } from './engine/forget/erase.ts';
export type { ForgetTarget } from './engine/forget/forget.ts';
export type { Pruned, PruneOptions } from './engine/forget/prune.ts';
export type { ForkOptions } from './engine/fork.ts';
export type {
  CallLetter,
  DeadLetter,
  DeadLettersOptions,
  EventLetter,
  FiringLetter,
  LetterPlace,
} from './engine/ledger/dead-letters.ts';
export type { EffectRecord } from './engine/ledger/did.ts';
export type { EffectSum, EffectSumsOptions } from './engine/ledger/effect-sums.ts';
export type { EffectsOptions } from './engine/ledger/effects.ts';
export type { HandOutsOptions } from './engine/ledger/hand-outs.ts';
export type { HandOutRecord } from './engine/ledger/handed.ts';
export type { CallRef, EventRef, FiringRef, LetterRef } from './engine/ledger/letters.ts';
export type { EngineOptions, EnqueueOptions, RunOptions, RunSummary } from './engine/options.ts';
export type { AgentInfo, ToolInfo } from './engine/read/described.ts';
export type { EntriesOptions } from './engine/read/entries.ts';
export type { ApprovalFilter, OpenApproval } from './engine/read/inbox.ts';
export type { RunFilter } from './engine/read/listing.ts';
export type { RunResult, RunState, UnknownOutcome } from './engine/read/results.ts';
export type { Ending, NodeOutcome, RunEvent } from './engine/read/run-event.ts';
export type { AgentState, NodeState } from './engine/read/tree.ts';
export type { Waiting } from './engine/read/waiting.ts';
export type { Run } from './engine/run.ts';
export type { EventSignal, InboxEvent, Signalled } from './engine/signal.ts';
export type { FoundRun, SearchMatch, SearchPage, SearchQuery } from './engine/trace/search.ts';
export type { TraceOptions } from './engine/trace/trace.ts';
export type { TraceRecord, TraceStatus } from './engine/trace/trace-record.ts';
export type { Miss } from './engine/work/schedule-store.ts';
export type { Schedule, ScheduleOptions } from './engine/work/schedules.ts';
export type { Work, WorkOptions } from './engine/work/work.ts';
export type { Worked, WorkKind, WorkState } from './engine/work/worked.ts';
export { type ErrorCode, type Failure, NeedsPerson, type Outcome, type PersonAsked, RondoError, ToolError } from './errors.ts';
export { type ForeignAgentOptions, foreignAgent } from './foreign/foreign.ts';
export { graph } from './graph/graph.ts';
export { type DrawnAgent, toMermaid } from './graph/mermaid.ts';
export {
  append,
  type GraphOptions,
  type NodeContext,
  type NodeSpec,
  type Reducers,
  type Route,
  type Send,
  type StepContext,
  type StepOptions,
  send,
  type Update,
} from './graph/types.ts';
export { approve, edit, reject, respond } from './hitl/answers.ts';
export type { Approval } from './hitl/approvals.ts';
export { type Claim, type ClaimChange, type ClaimKey, changedClaims, claimMac, type Holder, tombstone } from './journal/claims.ts';
export {
  changedEffect,
  type EffectChange,
  type EffectFilter,
  type EffectOutcome,
  type EffectPlace,
  type EffectRow,
  type StoredEffect,
} from './journal/effects.ts';
export type { CallId, Decision, Entry, EntryOf, EntryType, Limits, RunStatus } from './journal/entries/entries.ts';
export {
  type DeadChange,
  type DeadFilter,
  type Delivery,
  type Erased,
  type Inbox,
  type InboxRows,
  inboxOver,
  isDead,
  type Signal,
  type StoredEvent,
  type Topic,
  type WaitChange,
  withoutWaits,
} from './journal/inbox.ts';
export type { Listener, SubscribeOptions } from './journal/listeners.ts';
export { type MemoryJournalOptions, memoryJournal } from './journal/memory/journal.ts';
export type { AppendOptions, DueFilter, HeadCursor, HeadFilter, Journal, RunHead } from './journal/port.ts';
export type { RecordAppendOptions, RecordListOptions, Records } from './journal/records.ts';
export type { Json } from './json.ts';
export { jsonSchema } from './json-schema.ts';
export { type AgentOptions, agent } from './loop/agent.ts';
export type { WaitFor } from './loop/call/wait.ts';
export {
  type ClearOptions,
  clearToolResults,
  type KeepLastOptions,
  keepLast,
  type SummariseOptions,
  summarise,
} from './loop/context/policies.ts';
export type { AskInfo, CallInfo, Middleware, StepInfo, ToolOutcome } from './loop/middleware.ts';
export { type DelegateOptions, delegate, handoff } from './loop/sub-agent.ts';
export { type SupervisorOptions, supervisor } from './loop/supervisor.ts';
export { askHuman } from './loop/tools/ask-human.ts';
export { type WaitForEventOptions, waitForEvent } from './loop/tools/event-tool.ts';
export { tool } from './loop/tools/tool.ts';
export { type WaitToolOptions, waitTool } from './loop/tools/wait-tool.ts';
export type { Agent, Reliability } from './loop/types.ts';
export type { Compacted, Compaction, Conversation } from './ports/compaction.ts';
export type { Ask, Turn, TurnContext, TurnResult } from './ports/foreign.ts';
export type { Finding, Guardrail, GuardrailRequest, GuardrailRuling, GuardrailVerdict } from './ports/guardrail.ts';
export type {
  Assertion,
  ConsentAddress,
  ConsentNeeded,
  ConsentReturn,
  ConsentReturned,
  CredentialRequest,
  Identity,
  Occasion,
  Token,
} from './ports/identity.ts';
export type { Kept } from './ports/kept.ts';
export type {
  ChangedList,
  Completion,
  ListedPrompt,
  ListedResource,
  ListedTemplate,
  MaterialCall,
  MaterialCaller,
  MaterialKind,
  MaterialRequest,
} from './ports/materials.ts';
export type { Fact, ForgetRequest, Memory, RecallRequest, RecordRequest } from './ports/memory.ts';
export type {
  AgentInput,
  InputMessage,
  Message,
  Model,
  ModelCall,
  ModelDelta,
  ModelRequest,
  ModelResponse,
  Part,
  Prompt,
  ToolCallPart,
  ToolChoice,
  ToolResultPart,
  ToolSpec,
  Usage,
} from './ports/model.ts';
export type { AccessRequest, CallRequest, ContentRequest, ContentRuling, OffersRequest, Policy, Ruling } from './ports/policy.ts';
export type { Principal } from './ports/principal.ts';
export type {
  ApprovalRule,
  Breaker,
  CheckResult,
  DecisionType,
  Effect,
  Materials,
  OpenedSource,
  Retry,
  SourceCaller,
  Tool,
  ToolContext,
  ToolOptions,
  ToolSource,
} from './ports/tool.ts';
export type { Price } from './pricing/price.ts';
export type { Prices } from './pricing/prices.ts';
export { type ConfiguredReliability, type ReliabilityConfig, reliability } from './reliability/config.ts';
export { fallback } from './reliability/fallback.ts';
export type { In, JsonSchema, Out, Schema, SchemaLike } from './schema.ts';
export type { TelemetryOptions } from './telemetry/telemetry.ts';
