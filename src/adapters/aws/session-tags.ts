/** Who acts, as the tags and the name of an assumed role's session. */
import { sha256 } from '../../journal/canonical.ts';
import type { Occasion } from '../../ports/identity.ts';

/** Most characters of a tag's value, and of a session's name. */
const TAG = 256;
const NAME = 64;
/** Of the run in the name. The ids that the engine makes have 26 characters. */
const RUN = 32;

/** The characters that AWS does not allow in a tag's value. Of the spaces only U+0020 is kept, and not at the ends, where it is easily lost. */
const NOT_IN_TAG = /[^\p{L}\p{N} _.:/=+\-@]|^ | $/gu;
/** The same of a session's name. A comma is allowed there, but it separates the two parts of ours. */
const NOT_IN_NAME = /[^A-Za-z0-9_+=.@-]/gu;

/** The part of a SHA-256 at the end of a value that was changed: 96 bits. */
const HASH = 16;
const HASHED = new RegExp(`=[\\w-]{${HASH}}$`);

/** The session tags by their keys. A user or session that the run does not have has no tag. */
export function tagsOf({ by, session, runId, agent, tool }: Occasion): Record<string, string> {
  const tags = { user: by?.id, tenant: by?.tenant || undefined, session, run: runId, agent, tool };
  const entries = Object.entries(tags).map(([key, value]) => value !== undefined && [key, fitted(value, TAG, NOT_IN_TAG)]);
  return Object.fromEntries(entries.filter((tag) => tag !== false));
}

/** `<run>,<user>`. It is in each line of CloudTrail, while tags are only in the line of the AssumeRole. */
export function sessionName({ by, runId }: Occasion): string {
  const run = fitted(runId, RUN, NOT_IN_NAME);
  return `${run},${by ? fitted(by.id, NAME - 1 - RUN, NOT_IN_NAME) : ''}`;
}

/**
 * A value in the characters and the length that AWS allows. Different values stay different: one that was changed ends with a part of its hash, and so
 * does one that looks as if it were such.
 */
function fitted(value: string, most: number, refused: RegExp): string {
  const clean = value.normalize('NFC').replace(refused, '_');
  if (clean === value && value.length <= most && !HASHED.test(value)) return value;
  const hash = Buffer.from(sha256(value), 'hex').toString('base64url').slice(0, HASH);
  // half a surrogate pair is not text
  return `${clean.slice(0, most - HASH - 1).replace(/[\ud800-\udbff]$/, '')}=${hash}`;
}
