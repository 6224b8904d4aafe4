import { Engine, type EngineOptions, type Guardrail, type GuardrailRequest, type Json, type RunEvent } from '../../src/index.ts';

/** What is never to be seen behind a guardrail of these tests. */
export const SECRET = 'swordfish';

/** Replaces the secret everywhere, and keeps what it was asked. */
export function masking(over: Partial<Guardrail> = {}): Guardrail & { asked: GuardrailRequest[] } {
  const asked: GuardrailRequest[] = [];
  return {
    name: 'masking',
    asked,
    check(r) {
      asked.push({ ...r });
      const text = JSON.stringify(r.value);
      if (!text.includes(SECRET)) return { action: 'allow' };
      return { action: 'mask', value: JSON.parse(text.replaceAll(SECRET, '[FISH]')) as Json, findings: [{ category: 'FISH' }] };
    },
    ...over,
  };
}

/** Blocks what holds the secret. */
export const blocking = (over: Partial<Guardrail> = {}): Guardrail => ({
  name: 'blocking',
  check: ({ value }) =>
    JSON.stringify(value).includes(SECRET)
      ? { action: 'block', reason: 'no fish', findings: [{ category: 'FISH', count: 1, score: 0.9 }] }
      : { action: 'allow' },
  ...over,
});

/** An engine, and every event of its runs. */
export function watched(o: EngineOptions): { engine: Engine; events: RunEvent[] } {
  const events: RunEvent[] = [];
  return { events, engine: new Engine({ ...o, onEvent: (event) => events.push(event) }) };
}
