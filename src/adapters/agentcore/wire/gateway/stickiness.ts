/** Sessions that stay with the target which a weighted rule has chosen for them. */
import type { IncomingHttpHeaders } from 'node:http';
import { SESSION } from '../../headers.ts';
import type { Clock } from '../clock.ts';
import type { Target } from './resources.ts';

/** Seconds without a request after which a session is chosen for again, where its target does not say. */
const LASTS = 3_600;
/** Sessions that are kept. The one that was used least recently is forgotten. */
const MOST = 10_000;
const FROM_HEADER = /^\$context\.header\.(.+)$/;

export interface Stickiness {
  /** The choice for the session of a request. @param targets that could be chosen: they say what a session is. */
  chosen(rule: string, headers: IncomingHttpHeaders, targets: readonly Target[]): string | undefined;
  /** Keeps a choice, also by the id that a runtime has made for a session without one. */
  keep(rule: string, headers: IncomingHttpHeaders, target: Target): void;
  clear(): void;
}

export function stickiness({ now }: Pick<Clock, 'now'>): Stickiness {
  const kept = new Map<string, { target: string; until: number }>();

  const configured = ({ settings }: Target) => settings.targetConfiguration.http?.passthrough?.stickinessConfiguration;

  /** Undefined for a request without a session. */
  function keyOf(rule: string, headers: IncomingHttpHeaders, target: Target): string | undefined {
    const { identifier, compositeIdentifier = [] } = configured(target) ?? {};
    const names = [identifier, ...compositeIdentifier].map((one) => FROM_HEADER.exec(one ?? '')?.[1] ?? one ?? SESSION);
    const values = names.map((name) => [headers[name.toLowerCase()]].flat().join());
    return values.includes('') ? undefined : JSON.stringify([rule, ...names, ...values]);
  }

  return {
    chosen(rule, headers, targets) {
      for (const target of targets) {
        const key = keyOf(rule, headers, target);
        const found = key === undefined ? undefined : kept.get(key);
        if (found && now() < found.until && found.target === target.name) return found.target;
      }
      return undefined;
    },
    keep(rule, headers, target) {
      const key = keyOf(rule, headers, target);
      if (key === undefined) return;
      kept.delete(key);
      kept.set(key, { target: target.name, until: now() + (configured(target)?.timeout ?? LASTS) * 1_000 });
      for (const oldest of kept.keys()) {
        if (kept.size <= MOST) break;
        kept.delete(oldest);
      }
    },
    clear: () => kept.clear(),
  };
}
