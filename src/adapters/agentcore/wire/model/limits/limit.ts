/** What the tables of limits are made of. */

export interface Constraint {
  /** Of a text: characters. Of bytes: bytes. Of a list or a map: entries. Of a number, which is an integer then: its value. */
  readonly min?: number;
  readonly max?: number;
  /** Of the whole text. */
  readonly pattern?: string;
  /** The name of an enum of the clients. */
  readonly oneOf?: string;
  /** Of each entry of a list, and of each value of a map. */
  readonly each?: Constraint;
  /** Of each key of a map. */
  readonly keys?: Constraint;
  /** The message of the service, if it has one of its own. */
  readonly told?: string;
}

/** By the name of the shape, and of its member. */
export type Limits = Readonly<Record<string, Readonly<Record<string, Constraint>>>>;

export const range = (min: number, max: number) => ({ min, max });
export const text = (min: number, max: number, pattern: string) => ({ min, max, pattern });
export const like = (pattern: string) => ({ pattern });
export const oneOf = (name: string) => ({ oneOf: name });
export const entries = (min: number, max: number, each: Constraint) => ({ min, max, each });

const TAG_TEXT = '[a-zA-Z0-9\\s._:/=+@-]*';
/** A key of metadata is like one of a tag. */
export const TAG_KEY = text(1, 128, TAG_TEXT);
export const TAG_VALUE = text(0, 256, TAG_TEXT);
export const TAGS = { min: 0, max: 50, keys: TAG_KEY, each: TAG_VALUE };
export const taggedText = (min: number, max: number) => text(min, max, TAG_TEXT);

export const CLIENT_TOKEN = text(33, 256, '[a-zA-Z0-9](-*[a-zA-Z0-9]){0,256}');
export const DESCRIPTION = range(1, 4096);
export const PAGE = { maxResults: range(1, 100), nextToken: text(1, 2048, '\\S*') };
export const NAME = like('[a-zA-Z][a-zA-Z0-9_]{0,47}');
export const BUCKET = like('[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]');
export const SUBNET = like('subnet-[0-9a-zA-Z]{8,17}');
export const WORKLOAD_NAME = text(3, 255, '[A-Za-z0-9_.-]+');
export const ROLE = text(1, 2048, 'arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+');
export const KMS_KEY = text(1, 2048, 'arn:aws(|-cn|-us-gov):kms:[a-zA-Z0-9-]*:[0-9]{12}:key/[a-zA-Z0-9-]{36}');
export const RETURN_URL = text(1, 2048, '\\w+:(\\/?\\/?)[^\\s]+');
