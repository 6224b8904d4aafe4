/** Reads and validates an OpenAPI document by the kept parser. What would be told badly is found before. */
import { invalid, RondoError } from '../../../errors.ts';
import type { JsonObject } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import { plain } from '../../../options.ts';
import { type Operation, operationsOf } from './operations.ts';
import { checkReferences } from './references.ts';

/** The document as an object, or its text: JSON or YAML. */
export type OpenApiDocument = string | { readonly openapi: string; readonly [field: string]: unknown };

export interface ReadDocument {
  readonly document: JsonObject;
  readonly operations: readonly Operation[];
}

type Parser = typeof import('@readme/openapi-parser');

/** Errors of the parser's validation that are told. */
const MOST_ERRORS = 3;
/** Mistakes that change nothing about how a service is called. */
const LENIENT = { 'array-without-items': 'warning', 'path-parameters-not-in-path': 'warning', 'non-optional-path-parameters': 'warning' };

/** @throws RondoError `CONFIG_INVALID`, with the position of what is wrong in `details.at` where there is one. */
export async function readDocument(given: OpenApiDocument, where: string): Promise<ReadDocument> {
  const parser = await import('@readme/openapi-parser').catch((cause: unknown) => {
    throw invalid(`${where} needs a package that could not be loaded. Run: npm install @readme/openapi-parser`, { cause });
  });
  const document = plain(typeof given === 'string' ? await parsed(given, parser, where) : given, `${where}: document`);
  if (!isObject(document)) throw noDocument(where);
  checkVersion(document, where);
  checkReferences(document, where);
  // before the parser, which does not say where two of the same name are
  const operations = operationsOf(document, where);
  await validate(document, parser, where);
  return { document, operations };
}

async function parsed(text: string, { parse }: Parser, where: string): Promise<unknown> {
  if (!text.includes('\n') && /^(https?:|file:|[\w./\\~-]+\.(json|ya?ml)$)/i.test(text.trim()))
    throw invalid(`${where}: document is the document itself, not where it is. Read ${JSON.stringify(text.slice(0, 200))} first.`);
  // to the parser, a text is a path: it reads this one instead, and nothing else
  const file = { order: 1, canRead: true, read: () => text } as unknown as boolean;
  try {
    return await parse('openapi.yaml' as never, { resolve: { file, external: false } });
  } catch (error) {
    // a text that is YAML and no object, such as a word: the parser fails on its own path
    if ((error as { code?: unknown }).code !== 'EPARSER') throw noDocument(where);
    const why = String((error as Error).message)
      .replace(/^Error (parsing|opening) [^:]*: ?/, '')
      .slice(0, 500);
    throw invalid(`${where}: the document is neither JSON nor YAML: ${why}`);
  }
}

const noDocument = (where: string) => invalid(`${where}: document is an OpenAPI document, as an object or as its text in JSON or YAML.`);

function checkVersion(document: JsonObject, where: string): void {
  if (document.swagger !== undefined)
    throw invalid(
      `${where}: #/swagger is ${JSON.stringify(document.swagger)}: this is a document of Swagger. Convert it to OpenAPI 3, for example with swagger2openapi.`,
      { details: { at: '#/swagger' } },
    );
  if (typeof document.openapi === 'string' && /^3\.[01](\.|$)/.test(document.openapi)) return;
  throw invalid(`${where}: #/openapi is ${JSON.stringify(document.openapi) ?? 'missing'}: documents of OpenAPI 3.0 and 3.1 are read.`, {
    details: { at: '#/openapi' },
  });
}

async function validate(document: JsonObject, parser: Parser, where: string): Promise<void> {
  try {
    // it resolves references in the object that it is given
    const result = await parser.validate(structuredClone(document) as never, {
      resolve: { external: false },
      validate: { rules: { openapi: LENIENT as never }, errors: { colorize: false } as never },
    });
    if (result.valid) return;
    const told = result.errors.slice(0, MOST_ERRORS).map(({ message }) => message.slice(0, 600));
    const more = result.errors.length + result.additionalErrors - told.length;
    throw invalid(`${where}: the document is not valid OpenAPI. ${told.join('\n')}${more > 0 ? `\nand ${more} more` : ''}`);
  } catch (error) {
    if (RondoError.is(error)) throw error;
    throw invalid(`${where}: the document could not be validated: ${String((error as Error).message).slice(0, 500)}`);
  }
}
