/** What STS or its client threw, as RondoErrors without a cause: AWS quotes the signed request in some errors, with the session token of the process. */
import { invalid, RondoError } from '../../errors.ts';
import { classify } from '../../reliability/classify.ts';

/** The names of AWS's errors. */
const NAME = /^[A-Za-z.]{1,64}$/;

const LATER = ['THROTTLING', 'SERVICE_UNAVAILABLE', 'INTERNAL_ERROR', 'NETWORK', 'TIMEOUT', 'ABORTED'];

export function explained(error: unknown, roleArn: string): RondoError {
  if (RondoError.is(error)) return error;
  const { name: said, message } = (error ?? {}) as { name?: unknown; message?: unknown };
  const name = typeof said === 'string' && NAME.test(said) ? said : 'an error without a name';
  if (
    /^(CredentialsProviderError|TokenProviderError)$/.test(name) ||
    (typeof message === 'string' && /credential is missing/i.test(message))
  )
    return invalid(
      'awsCredentials(): this process has no AWS credentials to assume a role with. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run under a role.',
    );
  if (typeof message === 'string' && /region is missing/i.test(message))
    return invalid('awsCredentials(): no AWS region is set. Pass region, or set AWS_REGION.');
  const { code } = classify(error);
  const details = { role: roleArn, error: name };
  if (LATER.includes(code))
    return new RondoError('PROVIDER_UNAVAILABLE', `AWS STS could not give the keys of ${roleArn} (${name}). Try again later.`, { details });
  return new RondoError('PROVIDER_REFUSED', `AWS STS refused to give the keys of ${roleArn} (${name}). ${remedyOf(code, name)}`, {
    details,
  });
}

function remedyOf(code: string, name: string): string {
  if (code === 'UNAUTHENTICATED')
    return 'The AWS credentials of this process have expired or are wrong: renew them, and check the clock of this machine.';
  if (/^PackedPolicyTooLarge/.test(name)) return 'Its policy and its session tags together are too long: shorten the policy.';
  if (/^MalformedPolicyDocument/.test(name)) return 'Its policy is not a policy of IAM.';
  if (/^RegionDisabled/.test(name)) return 'STS is not enabled in this region for the account.';
  if (code === 'ACCESS_DENIED')
    return 'Allow the credentials of this process sts:AssumeRole and sts:TagSession, in the trust policy of the role and in their own.';
  return 'Check the role, and durationSeconds against the longest session of the role.';
}
