import type { TestProject } from 'vitest/node';
import { dynamodbLocal } from '../../scripts/dynamodb-local.ts';
import { CREDENTIALS, startServer } from './server.ts';

/** One server for all tests; each has a table of its own. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const found = await dynamodbLocal();
  if ('missing' in found) {
    project.provide('dynamodb', { missing: found.missing });
    return undefined;
  }
  const server = await startServer(found.folder);
  project.provide('dynamodb', { endpoint: server.endpoint, folder: found.folder });
  // for the processes that tests start
  process.env.AWS_REGION = 'eu-central-1';
  process.env.AWS_ACCESS_KEY_ID = CREDENTIALS.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = CREDENTIALS.secretAccessKey;
  return () => server.stop();
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where DynamoDB Local is, or why it is not there. */
    dynamodb: { endpoint: string; folder: string } | { missing: string };
  }
}
