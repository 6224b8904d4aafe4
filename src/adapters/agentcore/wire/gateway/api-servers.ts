/** Where the operations of an OpenAPI target are served. Its creator has chosen the addresses in the document for the gateway, so keys go there. */
import { invalid } from '../../../../errors.ts';
import { type OpenApiDocument, type ReadDocument, readDocument } from '../../../gateway/openapi/document.ts';
import type { Operation } from '../../../gateway/openapi/operations.ts';
import type { Bound } from '../bindings.ts';

/** How its errors begin, which are the reasons of a target that has failed. */
export const WHERE = 'openApiSchema';
const EXAMPLE = '"servers": [{ "url": "https://api.example.com/v1" }]';

/** @throws RondoError `CONFIG_INVALID` also for an operation that has no address: a target is ready as a whole, or not at all. */
export async function readServed(document: OpenApiDocument): Promise<ReadDocument> {
  const read = await readDocument(document, WHERE);
  for (const operation of read.operations) addressOf(operation);
  return read;
}

/** The server of an operation, or what is bound to it. */
export const servedAt =
  (bound: Bound) =>
  (operation: Operation): URL =>
    new URL(bound.url(addressOf(operation)));

/** @throws RondoError `CONFIG_INVALID` */
function addressOf({ server, at }: Operation): string {
  const no = (why: string) => invalid(`${WHERE}: ${at}: ${why}`, { details: { at } });
  if (server === undefined) throw no(`the document says no server. Name the address of the service: ${EXAMPLE}.`);
  // with a password it is not told
  const variable = /\{[^{}]*\}/.exec(server)?.[0];
  if (variable !== undefined)
    throw no(`the variable ${variable} of its server has no default. Give it one, or write the address out: ${EXAMPLE}.`);
  if (!URL.canParse(server))
    throw no(
      `its server ${JSON.stringify(server.slice(0, 200))} is relative, and the document of a target has no address of its own. Write it out: ${EXAMPLE}.`,
    );
  const { protocol, username, password } = new URL(server);
  if (username || password) throw no('its server has credentials in it. Take them out, and give the target a credential provider.');
  if (protocol !== 'https:' && protocol !== 'http:')
    throw no(`its server is not one of http: ${JSON.stringify(server.slice(0, 200))}. Name one: ${EXAMPLE}.`);
  return server;
}
