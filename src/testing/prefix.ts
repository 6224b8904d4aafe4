import { ToolError } from '../errors.ts';
import type { Middleware, RunEvent } from '../index.ts';
import type { ModelRequest } from '../ports/model.ts';
import { moved, type Prompt } from './moved.ts';

/**
 * Checks that each request contains the whole request before it, as a prefix: the same tools and instructions, and its messages first. Only
 * then does a provider read all of it from its cache.
 * @param requests of one conversation, in order, such as those of a scripted model.
 * @throws ToolError `PREFIX_MOVED`, whose message says which part of which request differs.
 */
export function checkPrefixes(requests: readonly Prompt[]): void {
  requests.forEach((request, i) => {
    if (i > 0) checkPrefix(requests[i - 1] as Prompt, request, `request ${i + 1}`);
  });
}

function checkPrefix(before: Prompt, now: Prompt, name: string): void {
  const parts = moved(before, now);
  if (parts.length === 0) return;
  throw new ToolError(
    'PREFIX_MOVED',
    `PREFIX_MOVED: ${name} does not begin with the whole request before it, so the provider cannot read that from its cache. What moved:\n${parts.map(({ part, text }) => `- ${part}: ${text}`).join('\n')}\nPut what changes (times, ids, counts) into the newest message, and keep instructions, tools and earlier messages as they were.`,
    { outcome: 'not-run' },
  );
}

/** Wraps the model calls of an engine or of an agent. */
export interface Prefixes {
  /** For `use` of an engine or an agent. It changes no request. */
  readonly use: Middleware;
  /**
   * For the engine's option of this name: after a journaled change of the tools, the memory or the messages (`context.changed`,
   * `context.compacted`), a request may begin in another way. New instructions fail the run all the same.
   */
  readonly onEvent: (event: RunEvent) => void;
}

/**
 * Fails a run whose model is sent a request that does not contain the whole request before it, of the same run and agent, as its prefix:
 * `new Engine({ use: [prefixes.use], onEvent: prefixes.onEvent })`. The run ends with `MIDDLEWARE_FAILED`, and a message that begins with
 * `PREFIX_MOVED`. A change that the journal records is allowed, but for new instructions.
 */
export function prefixes(): Prefixes {
  const last = new Map<string, Prompt>();
  return {
    use: {
      async model(request, next, { runId, path, frame, step, summary }) {
        // the conversation, as the text of another request
        if (summary) return next(request);
        const key = JSON.stringify([runId, path, frame ?? '']);
        const before = last.get(key);
        last.set(key, snapshot(request));
        if (before) checkPrefix(before, request, `the request of step ${step} of ${path.join(' > ')}`);
        return next(request);
      },
    },
    onEvent(event) {
      if (!excuses(event)) return;
      const changed = JSON.stringify([event.runId, event.path]).slice(0, -1);
      for (const key of last.keys()) if (key.startsWith(changed)) last.delete(key);
    },
  };
}

/**
 * Whether what an event tells lets a request begin in another way. Messages that a running agent hears come at the end, and new instructions
 * are what this check is for: a time or a count in them.
 */
function excuses(event: RunEvent): boolean {
  if (event.type === 'context.compacted') return true;
  if (event.type !== 'context.changed' || event.instructions) return false;
  return event.heard === undefined || event.tools !== undefined || event.memory !== undefined;
}

/** The list of messages grows, so it is copied. */
const snapshot = ({ instructions, tools, messages }: ModelRequest): Prompt => ({ instructions, tools, messages: [...messages] });
