/** The MCP sessions of gateways. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { Questions, type Talking } from './midway.ts';

interface Session extends Talking {
  readonly gateway: string;
  readonly owner: string;
  readonly until: number;
}

export interface McpSessions {
  /** @param o.version that was agreed on. @param o.seconds how long it lasts. @returns its id. */
  begin(gateway: string, owner: string, o: Pick<Talking, 'version' | 'shows'> & { seconds: number }): string;
  /** Undefined for a session that is over, or of another gateway or caller. */
  find(id: string, gateway: string, owner: string): Talking | undefined;
  end(id: string): void;
  clear(): void;
}

export function mcpSessions({ now }: Pick<Clock, 'now'>): McpSessions {
  const sessions = new Map<string, Session>();
  return {
    begin(gateway, owner, { seconds, ...client }) {
      for (const [id, { until }] of sessions) if (until <= now()) sessions.delete(id);
      const id = randomUUID();
      sessions.set(id, { gateway, owner, ...client, until: now() + seconds * 1_000, questions: new Questions() });
      return id;
    },
    find(id, gateway, owner) {
      const found = sessions.get(id);
      return found && found.gateway === gateway && found.owner === owner && now() < found.until ? found : undefined;
    },
    end: (id) => void sessions.delete(id),
    clear: () => sessions.clear(),
  };
}
