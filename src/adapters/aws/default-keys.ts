/** The AWS credentials of this process, for requests that are signed without a client of AWS. */
import { invalid } from '../../errors.ts';
import type { SigningKeys } from '../../server/sigv4.ts';

/**
 * Gives the keys of this process at each call: those of `AWS_ACCESS_KEY_ID`, else what the default chain of the AWS SDK finds and renews, which
 * needs `@aws-sdk/client-sts`. The function rejects with RondoError `CONFIG_INVALID` if there are none.
 * @param where who asks, in errors.
 */
export function defaultKeys(where: string): () => Promise<SigningKeys> {
  let chain: Promise<() => Promise<SigningKeys>> | undefined;
  return async () => {
    const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = process.env;
    if (accessKeyId && secretAccessKey) return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
    chain ??= sdkChain();
    try {
      const { accessKeyId, secretAccessKey, sessionToken } = await (await chain)();
      return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
    } catch (cause) {
      chain = undefined;
      throw invalid(
        `${where}: this process has no AWS credentials to sign with. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; profiles and roles are found by @aws-sdk/client-sts, if it is installed.`,
        { cause },
      );
    }
  };
}

async function sdkChain(): Promise<() => Promise<SigningKeys>> {
  // caught here: a bundler stops at a package that is missing, unless its import is caught where it is written
  const { STSClient } = await import('@aws-sdk/client-sts').catch((cause: unknown) => {
    throw invalid('A package could not be loaded. Run: npm install @aws-sdk/client-sts', { cause });
  });
  // its credentials are those of every client; the region is for requests that are not made here
  return new STSClient({ region: 'us-east-1' }).config.credentials;
}
