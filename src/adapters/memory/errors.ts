import { RondoError } from '../../errors.ts';

/** Input that is against a limit. `field` is where, as a path such as `items[2].text`. */
export const refused = (field: string, message: string) =>
  new RondoError('MEMORY_INPUT_INVALID', `${field}: ${message}`, { details: { field } });
