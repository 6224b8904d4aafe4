/** Guardrails that need no service: see docs/guardrails.md. */
export { type Pattern, type PatternOptions, patternGuardrail } from './patterns.ts';
export { type PiiCategory, type PiiOptions, piiGuardrail } from './pii.ts';
export { type GuardrailOptions, type Topic, type TopicOptions, topicGuardrail } from './topics.ts';
