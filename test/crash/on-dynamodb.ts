/** Before each test file of the crash suite on DynamoDB Local. */
import { beforeEach, inject } from 'vitest';

const server = inject('dynamodb');
if ('missing' in server) beforeEach(({ skip }) => skip(server.missing));
else process.env.RONDO_CRASH_DYNAMODB = server.endpoint;
