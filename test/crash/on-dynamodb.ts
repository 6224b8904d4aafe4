/** Before each test file of the crash suite on DynamoDB Local. */
import { inject } from 'vitest';

const server = inject('dynamodb');
// a suite that is asked for by its name does not pass by running nothing
if ('missing' in server) throw new Error(server.missing);
process.env.RONDO_CRASH_DYNAMODB = server.endpoint;
