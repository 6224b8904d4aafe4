/** The tools of a gateway, as its control plane knows them. */
import type { JsonSchema } from '../../../../schema.ts';
import type { World } from '../call.ts';
import { partsOf, TARGET, type Target } from '../gateway/resources.ts';
import type { ToolsOf } from './enforcing.ts';

/** Those that a function declares, and those that a server listed when it was synchronized. */
export const declaredTools =
  (world: World): ToolsOf =>
  async ({ id }) =>
    partsOf<Target>(world, TARGET, id).flatMap(({ name, settings, listed = [] }) => {
      const { lambda } = settings.targetConfiguration.mcp ?? {};
      return [...(lambda?.toolSchema.inlinePayload ?? []), ...listed].map((tool) => ({
        name: `${name}___${tool.name}`,
        input: tool.inputSchema as unknown as JsonSchema,
      }));
    });
