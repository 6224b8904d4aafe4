import type { OpenedSource, Tool } from '../../ports/tool.ts';
import type { GatewayTool, Offered } from './offered.ts';
import type { Offer } from './target.ts';

/** What all targets of a gateway list now. */
export interface Catalogue {
  readonly tools: readonly GatewayTool[];
  readonly offered: readonly Tool[];
  /** By the full and by the short name. */
  readonly named: ReadonlyMap<string, GatewayTool>;
  /** The targets that have more tools than they list. */
  readonly searchable: readonly { readonly offered: Offered; readonly opened: OpenedSource }[];
  /** Why targets and tools are left out, in order of the targets. */
  readonly left: readonly { readonly target: string; readonly reason: string }[];
}

/** @param agents the tools that agents answer, which no target lists. */
export function catalogue(offers: readonly { offered: Offered; offer: Offer }[], agents: readonly GatewayTool[]): Catalogue {
  const tools: GatewayTool[] = [];
  const named = new Map<string, GatewayTool>();
  const left: { target: string; reason: string }[] = [];
  const add = (one: GatewayTool): void => {
    const other = named.get(one.tool.name) ?? named.get(one.fullName);
    if (other) {
      const both = other.fullName === one.fullName ? 'there are two of that name' : `it has the name of ${other.fullName}`;
      left.push({ target: one.target, reason: `${JSON.stringify(one.name)}: ${both}` });
      return;
    }
    named.set(one.tool.name, one).set(one.fullName, one);
    tools.push(one);
  };
  for (const one of agents) add(one);
  tools.length = 0;
  const searchable: { offered: Offered; opened: OpenedSource }[] = [];
  for (const { offered, offer } of offers) {
    const { target } = offered;
    if ('missing' in offer) {
      left.push({ target, reason: offer.missing });
      continue;
    }
    const why: string[] = [];
    for (const one of offered.all(offer.tools, why)) add(one);
    for (const reason of why) left.push({ target, reason });
    if (offer.opened.search) searchable.push({ offered, opened: offer.opened });
  }
  return { tools, offered: tools.map(({ tool }) => tool), named, searchable, left };
}
