/** The MCP sessions of gateways. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';

interface Session {
  readonly gateway: string;
  readonly owner: string;
  readonly version: string;
  readonly until: number;
}

export interface McpSessions {
  /** @param seconds how long it lasts. @returns its id. */
  begin(gateway: string, owner: string, version: string, seconds: number): string;
  /** The version that was agreed on; undefined for a session that is over, or of another gateway or caller. */
  version(id: string, gateway: string, owner: string): string | undefined;
  end(id: string): void;
  clear(): void;
}

export function mcpSessions({ now }: Pick<Clock, 'now'>): McpSessions {
  const sessions = new Map<string, Session>();
  return {
    begin(gateway, owner, version, seconds) {
      for (const [id, { until }] of sessions) if (until <= now()) sessions.delete(id);
      const id = randomUUID();
      sessions.set(id, { gateway, owner, version, until: now() + seconds * 1_000 });
      return id;
    },
    version(id, gateway, owner) {
      const found = sessions.get(id);
      return found && found.gateway === gateway && found.owner === owner && now() < found.until ? found.version : undefined;
    },
    end: (id) => void sessions.delete(id),
    clear: () => sessions.clear(),
  };
}
