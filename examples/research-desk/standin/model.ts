/**
 * Offline stand-ins: normal models whose answers come from fixed rules, not from AI. Each is a pure function of its request, without a
 * clock or memory, so that a run can continue in any process. The reasoning text names the rule that fired.
 */
import type { Json, Model, ModelRequest, Part, Price } from 'rondo';

/** What the stand-ins' tokens would cost. Nothing is paid: no model is called. */
const source = 'https://platform.claude.com/docs/en/about-claude/pricing';
export const PRICE: Price = { input: 1, output: 5, source, date: '2026-10-24' };
export const PRICED = 'the list price of Claude Haiku 4.5, $1 in and $5 out for a million tokens';

/** About how many tokens a model would count: bytes / 4. */
export const estimate = (value: unknown) => Math.ceil(Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value)) / 4);

/** The input of a rule: the task, and the calls since, with their results. */
export type Seen = { task: string; calls: { name: string; ok: boolean; text: string }[] };

/** The result of a rule: a text, or tool calls. */
export type Move = { rule: string } & ({ say: string } | { call: readonly { name: string; input: Json }[] });

/** A Rondo model that follows rules. */
export const standIn = (id: string, rules: (seen: Seen) => Move): Model => ({
  provider: 'standin',
  id,
  standin: true,
  maxOutput: 4_000,
  async generate(request) {
    const seen = observe(request);
    const move = rules(seen);
    const parts: Part[] =
      'say' in move
        ? [{ type: 'text', text: move.say }]
        : move.call.map(({ name, input }, i) => ({ type: 'toolCall', id: `${name}-${seen.calls.length + i}`, name, input }));
    const usage = { input: estimate(request), output: estimate(parts) };
    return { content: [{ type: 'reasoning', text: move.rule }, ...parts], stop: 'say' in move ? 'end' : 'tools', usage };
  },
});

function observe({ messages }: ModelRequest): Seen {
  const start = messages.findLastIndex((m) => m.role === 'user');
  const parts = messages.slice(start + 1).flatMap((m) => m.content);
  const results = new Map(parts.flatMap((p) => (p.type === 'toolResult' ? [[p.id, p] as const] : [])));
  const calls = parts.flatMap((p) => {
    const result = p.type === 'toolCall' ? results.get(p.id) : undefined;
    return p.type === 'toolCall' && result ? [{ name: p.name, ok: !result.isError, text: textOf(result.output) }] : [];
  });
  return { task: textOf(messages[start]?.content ?? []), calls };
}

const textOf = (parts: readonly Part[]) => parts.map((p) => (p.type === 'text' ? p.text : '')).join('');
