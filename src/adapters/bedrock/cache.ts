import type { CachePointBlock, SystemContentBlock, Tool, Message as WireMessage } from '@aws-sdk/client-bedrock-runtime';
import type { Feature } from './families.ts';
import type { CacheOptions } from './options.ts';
import { maker } from './vendor.ts';

const MOST = 4;

interface Request {
  system: SystemContentBlock[];
  tools: Tool[];
  messages: readonly WireMessage[];
}
type Block = { cachePoint?: CachePointBlock | undefined };
interface Point {
  list: Block[];
  block: Block;
  cachePoint: CachePointBlock;
  feature: Feature;
}

export function cachePoint(ttl: '5m' | '1h' | undefined): CachePointBlock {
  return ttl === undefined ? { type: 'default' } : { type: 'default', ttl };
}

/** A request of an agent with tools is read again with its next step. Only where writing to the cache has a known price: Claude's. */
export const isReadAgain = (id: string, tools: readonly unknown[]): boolean => tools.length > 0 && maker(id) === 'anthropic';

/**
 * The user messages with which this request and the one before it end. The point of the one before must stay: the model then reads from the
 * cache exactly what it wrote there.
 */
const ends = (messages: readonly WireMessage[], dropped: ReadonlySet<Feature>): readonly WireMessage[] =>
  messages.filter(({ role, content }) => role === 'user' && content && !dropped.has(placeOf(content))).slice(-2);

const placeOf = (content: readonly { toolResult?: unknown }[]): Feature =>
  content.some((block) => block.toolResult) ? 'cache.results' : 'cache.messages';

/**
 * Sets the requested cache points and removes those that the model would refuse: all if its family has none, the second of two in a row,
 * more than four. Option points take precedence over points of single parts, and newer points over older ones. A longer TTL must not
 * come after a shorter one, in the order tools, system, messages; the earlier point then gets the longer TTL.
 */
export function setCachePoints(request: Request, o: CacheOptions, dropped: ReadonlySet<Feature>, sent: Set<Feature>): void {
  const { system, tools, messages } = request;
  const asked = new Set<Block>();
  const set = (list: Block[] | undefined, wanted: boolean | undefined): void => {
    if (wanted === false || !list?.length || list.at(-1)?.cachePoint) return;
    const block = { cachePoint: cachePoint(o.ttl) };
    asked.add(block);
    list.push(block);
  };
  set(tools, o.tools);
  set(system, o.system);
  for (const { content } of ends(messages, dropped)) set(content as Block[], o.messages);

  const points = [...of(tools, 'cache.tools'), ...of(system, 'cache.system')];
  for (const { content = [] } of messages) points.push(...of(content, placeOf(content)));
  const allowed = points.filter(({ feature }) => !dropped.has(feature));
  const first = allowed.filter(({ block }) => asked.has(block));
  const kept = new Set([...first, ...allowed.filter(({ block }) => !asked.has(block)).reverse()].slice(0, MOST));
  for (const point of points) if (!kept.has(point)) point.list.splice(point.list.indexOf(point.block), 1);

  let long = false;
  for (const { cachePoint: point, feature } of points.filter((p) => kept.has(p)).reverse()) {
    sent.add(feature);
    long ||= point.ttl === '1h';
    if (dropped.has('cache.ttl')) delete point.ttl;
    else if (long) point.ttl = '1h';
    if (point.ttl) sent.add('cache.ttl');
  }
}

const of = (list: Block[], feature: Feature): Point[] =>
  list.flatMap((block) => (block.cachePoint ? [{ list, block, cachePoint: block.cachePoint, feature }] : []));
