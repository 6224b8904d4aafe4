import { A2AError, RequestMalformedError, TaskNotFoundError, UnsupportedOperationError } from '@a2a-js/sdk/errors';
import { RondoError } from '../../errors.ts';
import { openRunOf } from '../../server/accept.ts';
import { report } from '../../server/report.ts';

export const tellOperator = report('A2A');

/** The same error for a missing task and one of another caller, so that callers cannot probe for tasks. */
export const noTask = (id: string) => new TaskNotFoundError(`Task not found: ${id.slice(0, 256)}`);

/** What a caller is told of a failure that is not its own. */
export const FAILED = 'The agent could not do this now.';

/** @param of what cannot be read, such as `The body`. */
export const malformed = (of: string) =>
  new RequestMalformedError(`${of} does not fit the operation: a field is missing, or of another type.`);

/** The error that a caller gets, without internal details. */
export function refusal(error: unknown): Error {
  if (error instanceof A2AError) return error;
  if (RondoError.is(error)) {
    const { code, message } = error;
    switch (code) {
      case 'SESSION_BUSY': {
        const open = openRunOf(error);
        return new UnsupportedOperationError(
          `This context has as many open tasks as it can have${open ? `, such as ${open}` : ''}: end one, or send to it with its taskId.`,
        );
      }
      case 'APPROVAL_NOT_FOUND':
        return new RequestMalformedError('A decision names an approval that this task does not have.');
      case 'DECISION_INVALID':
        return new RequestMalformedError(message);
      case 'APPROVAL_CLOSED':
      case 'APPROVAL_EXPIRED':
      case 'NOT_PERMITTED':
        return new UnsupportedOperationError(`${code}: ${message}`);
      default:
    }
  }
  tellOperator(error);
  return new Error(FAILED);
}
