/** The messages of a run as the items of one event. */
import { toldJson } from '../../../json.ts';
import type { EventItem } from '../../../ports/memory-store.ts';
import type { Message, Part, ToolCallPart } from '../../../ports/model.ts';

/** Whose words a store may learn from. What the others said is stored as a `blob`, which no store learns from. */
export type Learned = 'user' | 'assistant' | 'tool';

/** Most items of an event, and most characters of an item, of what a tool was given or answered, and of all items. */
const MOST = { items: 100, item: 50_000, call: 2_000, all: 2_000_000 };
/** Most calls of one item, so that it is less than the 100 KB that AgentCore takes. */
const MOST_CALLS = 3;

/** @param nested the words of the role `user` are those of another agent. */
export function itemsOf(messages: readonly Message[], learn: readonly Learned[], nested: boolean): EventItem[] {
  const items: EventItem[] = [];
  let calls: readonly ToolCallPart[] = [];
  for (const { role, content, summary } of messages) {
    // it stands for messages that are recorded already
    if (summary) continue;
    if (role === 'tool') {
      const did = content.flatMap((part) => (part.type === 'toolResult' ? [callOf(part, calls)] : []));
      for (let i = 0; i < did.length; i += MOST_CALLS)
        items.push({ kind: learn.includes('tool') ? 'json' : 'blob', value: { calls: did.slice(i, i + MOST_CALLS) } });
      continue;
    }
    calls = content.filter((part) => part.type === 'toolCall');
    const text = textOf(content);
    const by = role === 'user' && nested ? 'assistant' : role;
    if (text === '') continue;
    items.push(learn.includes(by) ? { kind: 'text', role: by, text } : { kind: 'blob', value: { role: by, text } });
  }
  return bounded(items);
}

const textOf = (content: readonly Part[]): string =>
  content
    .flatMap((part) => {
      if (part.type === 'text') return [part.text];
      return part.type === 'image' || part.type === 'document' ? [`[${part.type}]`] : [];
    })
    .join('\n')
    .trim()
    .slice(0, MOST.item)
    .toWellFormed();

function callOf({ id, output, isError }: Extract<Part, { type: 'toolResult' }>, calls: readonly ToolCallPart[]) {
  const call = calls.find((one) => one.id === id);
  return {
    tool: call?.name ?? '',
    input: short(JSON.stringify(toldJson(call?.input ?? null).json)),
    output: short(textOf(output)),
    ...(isError && { failed: true }),
  };
}

const short = (text: string) => (text.length <= MOST.call ? text : `${text.slice(0, MOST.call)} [cut]`).toWellFormed();

/** What does not fit is left out: of a long run, first what others than users said, from the start. */
function bounded(items: readonly EventItem[]): EventItem[] {
  let left = MOST.all;
  const sized = items.map((item) => ({ item, size: JSON.stringify(item).length, said: item.kind === 'text' && item.role === 'user' }));
  const byWorth = [...sized.filter(({ said }) => said), ...sized.filter(({ said }) => !said).reverse()];
  const kept = new Set<EventItem>();
  for (const { item, size } of byWorth) {
    if (kept.size === MOST.items || size > left) continue;
    left -= size;
    kept.add(item);
  }
  return items.filter((item) => kept.has(item));
}
