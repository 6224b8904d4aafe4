/** Errors of a memory's store, as operations answer them. */
import { detailOf, RondoError } from '../../../../errors.ts';
import { invalidInput, refused } from '../codec/error.ts';

/** By the store's name of a field. */
const FIELDS: Readonly<Record<string, string>> = {
  items: 'payload',
  actor: 'actorId',
  session: 'sessionId',
  at: 'eventTimestamp',
  after: 'nextToken',
  limit: 'maxResults',
  top: 'searchCriteria.topK',
  text: 'content.text',
  namespace: 'namespace',
  variables: 'extractionConfig.namespaceVariables',
  key: 'clientToken',
  'branch.root': 'branch.rootEventId',
};

/** @returns the error itself, if it is a fault of the server. */
function awsErrorOf(error: unknown): unknown {
  if (!RondoError.is(error) || error.code !== 'MEMORY_INPUT_INVALID') return error;
  const field = detailOf(error, 'MEMORY_INPUT_INVALID', 'field');
  if (field === undefined) return refused(error.message);
  const message = error.message.startsWith(`${field}: `) ? error.message.slice(field.length + 2) : error.message;
  if (detailOf(error, 'MEMORY_INPUT_INVALID', 'reason') === 'other-session') return refused(message, 'EventInOtherSession');
  const [first = '', ...rest] = field.split(/(?=[.[])/);
  return invalidInput([{ name: FIELDS[field] ?? `${FIELDS[first] ?? first}${rest.join('')}`, message }]);
}

/** What a store does, with its errors as operations answer them. */
export async function executed<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw awsErrorOf(error);
  }
}
