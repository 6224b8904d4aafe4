/** Errors of AWS's client as those of the port. */
import { RondoError } from '../../../errors.ts';
import { classify } from '../../../reliability/classify.ts';

interface Thrown {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly fieldList?: readonly { name?: string; message?: string }[];
  readonly $retryAfter?: unknown;
}

/** The names of AWS for what was refused as it is, however often it is sent. */
const INVALID = ['ValidationException', 'InvalidInputException'];
const NOT_FOUND = 'ResourceNotFoundException';
/** Names that `classify` does not know. */
const RETRYABLE = ['ThrottledException', 'ServiceException', 'RetryableConflictException', 'ServiceQuotaExceededException'];

const nameOf = (error: unknown) => String((error as Thrown | null)?.name);

/** Something in a memory is not there. A memory that is not there is another thing. */
export const isMissing = (error: unknown): boolean =>
  nameOf(error) === NOT_FOUND && !/^Memory not found/.test(String((error as Thrown).message));

/**
 * `MEMORY_INPUT_INVALID` for what AWS refuses as it is; else `MEMORY_UNAVAILABLE`, with `details.retryable` and AWS's name of the error.
 * @param what the operation, in words.
 */
export function explained(error: unknown, memoryId: string, what: string): Error {
  if (RondoError.is(error)) return error;
  const { message, fieldList } = (error ?? {}) as Thrown;
  const name = nameOf(error);
  const said = String(message ?? error);
  if (INVALID.includes(name)) {
    const field = fieldList?.[0]?.name;
    return new RondoError('MEMORY_INPUT_INVALID', `AgentCore refused ${what}: ${said}`, {
      cause: error,
      details: { aws: name, ...(field !== undefined && { field }) },
    });
  }
  if (name === NOT_FOUND)
    return new RondoError(
      'MEMORY_UNAVAILABLE',
      `AgentCore has no memory ${memoryId} here: ${said}. Check the id, the region and the account.`,
      {
        cause: error,
        details: { aws: name, retryable: false },
      },
    );
  const retryable = RETRYABLE.includes(name) || classify(error).retryable;
  const next = retryable ? 'Try again later.' : 'Check the credentials and their policy.';
  return new RondoError('MEMORY_UNAVAILABLE', `AgentCore did not do it (${what}): ${said}. ${next}`, {
    cause: error,
    details: { aws: name, retryable },
  });
}
