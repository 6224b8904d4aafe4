/** A target that is a service of AWS, by its Smithy model. */
import { isObject } from '../../../../../json-schema/keywords.ts';
import type { Effect, ToolSource } from '../../../../../ports/tool.ts';
import type { Operation } from '../../../../gateway/openapi/operations.ts';
import { serviceSource } from '../../../../gateway/openapi/source.ts';
import type { Answer } from '../../../../gateway/outbound/send.ts';
import { outboundOf } from '../credentials.ts';
import { textOf } from '../documents.ts';
import type { Target } from '../resources.ts';
import type { TargetWorld } from '../target-world.ts';
import { endpointOf } from './endpoint.ts';
import { SmithyModel, shortName, WHERE, wrong } from './model.ts';
import { operationsOf } from './operations.ts';

/** @throws RondoError `CONFIG_INVALID` for a model that is not supported: it is the reason of the target's failure. */
export function smithySource({ world, bound }: Pick<TargetWorld, 'world' | 'bound'>, target: Target): ToolSource {
  const model = new SmithyModel(textOf(target));
  const { url, service, region } = endpointOf(model, world.region);
  const read = operationsOf(model, url);
  const credentials = outboundOf(target.settings.credentialProviderConfigurations ?? [], { region, kind: WHERE, service });
  const readers = model.operations().filter(({ traits }) => traits['smithy.api#readonly'] !== undefined);
  const effects = Object.fromEntries(readers.map(({ id }): [string, Effect] => [shortName(id), 'read']));
  return serviceSource(
    { name: target.name, effects, ...(credentials && { credentials }) },
    {
      where: WHERE,
      read: async () => read,
      servedAt({ server = url, at }: Operation) {
        if (server.includes('{')) throw wrong(`${at}: an endpoint with a label in its host is not supported.`);
        return new URL(bound.url(server));
      },
      errorName,
    },
  );
}

/** What restJson1 calls an error: in a header, or in the body, with or without a namespace and a URI. */
function errorName({ headers, bytes }: Answer): string | undefined {
  const given = headers.get('x-amzn-errortype') ?? inBody(bytes);
  const name = given?.split(':', 1)[0]?.split('#').at(-1)?.trim() ?? '';
  return /^\w{1,100}$/.test(name) ? name : undefined;
}

function inBody(bytes: Uint8Array): string | undefined {
  try {
    const body: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const { __type: type, code } = isObject(body) ? body : {};
    return [type, code].find((one) => typeof one === 'string');
  } catch {
    return undefined;
  }
}
