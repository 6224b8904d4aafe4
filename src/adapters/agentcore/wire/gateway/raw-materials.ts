/**
 * Resources and prompts of a gateway as AgentCore has them: prompts under the names of their targets, resources under the URIs of the servers. Of several
 * targets with one URI, the one with the lowest `resourcePriority` has it.
 */
import type { ListedResource, MaterialCall, MaterialCaller, MaterialRequest } from '../../../../ports/materials.ts';
import type { Materials, Tool } from '../../../../ports/tool.ts';
import type { GatewayTool } from '../../../gateway/index.ts';
import { type GatewayMaterials, innerUri, outerUri } from '../../../gateway/materials.ts';

/** What AWS says of a target without one. */
const PRIORITY = 1_000;

type Read = Extract<MaterialRequest, { method: 'resources/read' }>;

/** @param priorities by target. @param named the tool under its full name, as the gateway offers it. */
export function rawMaterials(
  from: GatewayMaterials,
  priorities: ReadonlyMap<string, number | undefined>,
  named: (tool: GatewayTool) => Tool,
): Materials {
  const priorityOf = (target: string) => priorities.get(target) ?? PRIORITY;
  /** With the URIs of the servers, those of the lowest priority first. */
  const raw = <T>(items: readonly T[], uriOf: (item: T) => string): readonly { item: T; target: string; uri: string }[] =>
    items
      .flatMap((item) => {
        const inner = innerUri(uriOf(item));
        return inner ? [{ item, ...inner }] : [];
      })
      .sort((a, b) => priorityOf(a.target) - priorityOf(b.target));
  const once = <T>(list: readonly { item: T; uri: string }[]): readonly { item: T; uri: string }[] => {
    const seen = new Set<string>();
    return list.filter(({ uri }) => !seen.has(uri) && seen.add(uri));
  };
  const resources = async (o: MaterialCaller) => raw(await from.resources(o), ({ uri }) => uri);
  const templates = async (o: MaterialCaller) => raw(await from.templates(o), ({ uriTemplate }) => uriTemplate);

  /** A read of the gateway's own, for one by the URI of a server. */
  async function outerOf(request: Read, o: MaterialCaller): Promise<Read | undefined> {
    const { uri } = request.params;
    const listed = (await resources(o)).find((one) => one.uri === uri) ?? (await templates(o)).find((one) => fits(one.uri, uri));
    return listed && { ...request, params: { uri: outerUri(listed.target, uri) } };
  }

  return {
    resources: async (o) => once(await resources(o)).map(({ item, uri }): ListedResource => ({ ...item, uri })),
    templates: async (o) => once(await templates(o)).map(({ item, uri }) => ({ ...item, uriTemplate: uri })),
    prompts: (o) => from.prompts(o),
    tools: async () => (await from.readers()).map(named),
    async callOf(request: MaterialRequest, o): Promise<MaterialCall | undefined> {
      if (request.method === 'completion/complete') return undefined;
      const outer = request.method === 'resources/read' ? await outerOf(request, o) : request;
      const call = outer && (await from.callOf(outer, o));
      const tool = call && (await from.find(call.tool));
      return call && tool && { tool: tool.fullName, input: call.input };
    },
  };
}

/** Whether a URI may be of a template: the server says for certain. */
const fits = (template: string, uri: string): boolean => uri.startsWith(template.split('{', 1)[0] as string);
