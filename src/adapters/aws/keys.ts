/** The keys of an assumed role, and as the text that a tool gets. */
import { invalid } from '../../errors.ts';

/** What the clients of the AWS SDK take as `credentials`. */
export interface AwsKeys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  expiration: Date;
}

export const textOf = (keys: AwsKeys): string => JSON.stringify(keys);

/**
 * The keys in a tool's credential of `awsCredentials()`: `new S3Client({ credentials: awsKeys(ctx.credentials.aws) })`.
 * @throws RondoError `CONFIG_INVALID` for a credential of another identity. Its message does not hold the credential.
 */
export function awsKeys(credential: string): AwsKeys {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = membersOf(credential);
  if (!isText(accessKeyId) || !isText(secretAccessKey) || !isText(sessionToken) || !isText(expiration))
    throw invalid('awsKeys() takes a credential of awsCredentials(): awsKeys(ctx.credentials.aws). This is one of another identity.');
  return { accessKeyId, secretAccessKey, sessionToken, expiration: new Date(expiration) };
}

export const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

function membersOf(credential: string): { [K in keyof AwsKeys]?: unknown } {
  try {
    return JSON.parse(credential) ?? {};
  } catch {
    return {};
  }
}
