export { type AwsCredentialsOptions, awsCredentials } from './credentials.ts';
export { type AwsKeys, awsKeys } from './keys.ts';
