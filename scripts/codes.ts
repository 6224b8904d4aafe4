/** The codes of failures in the sources, and whether docs/errors.md has each of them. */

export const ERRORS = 'docs/errors.md';

/** What benchmarks and traces call things reaches no caller as the code of an error. */
const APART = /^src\/(bench|cli|engine\/trace)\//;

/** Here most names in capitals are values of AWS's APIs. */
const OF_AWS = /^src\/adapters\/agentcore\/(wire|memory|identity)\//;

/** Where a text is a code: an argument of what makes failures, or a field, a variable or a fallback that is named so. */
const MADE =
  /(?:\b(?:ToolError|notRun|refused?|failedOnce|failureOf|classify|kind|fail|unread)\(\s*(?:[\w.]+,\s*)?(?:[^'\n;]{1,60}\? )?|\bcode(?:: |\s*\?\?\s*| = ))'([A-Z][A-Z0-9_]{2,})'/g;

/** A text of several words in capitals is a code, unless it is listed below. */
const WORDS = /'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)'/g;

/** Codes of Node, of SDKs and of protocols, which are read and never given; and values that are not codes. */
const OTHERS = new Set(
  `ALL_OLD ALLOW_ALL ALLOW_NONE BIRTH_DATE CLIENT_HTTP_UNEXPECTED_CONTENT CONNECTION_CLOSED CONSENT_GRANTED CONTAINS_ANY DENY_ALL DENY_NONE EAI_AGAIN
  GRAPH_RECURSION_LIMIT GUARDRAIL_INTERVENED IN_PROGRESS KEYS_ONLY LOG_ONLY MISSING_CHECKPOINTER NOT_CONNECTED PAY_PER_REQUEST
  REFUSED_STREAM RESPONSE_BODY RETURN_ERROR_TO_AGENT RONDO_SESSION_TOKEN RUN_ERROR SERVICE_QUOTA_EXCEEDED STRING_ARRAY TOOL_INVOCATION VAULT_KEY`.split(
    /\s+/,
  ),
);
const OF_OTHERS = /^(ERR|UND_ERR|OAUTH)_/;

const allOf = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, code = '']) => code);

/** @param sources by path. */
export function failureCodes(sources: ReadonlyMap<string, string>): string[] {
  const codes = new Set<string>();
  for (const [file, text] of sources) {
    if (APART.test(file)) continue;
    for (const code of allOf(text, MADE)) codes.add(code);
    if (!OF_AWS.test(file)) for (const code of allOf(text, WORDS)) codes.add(code);
  }
  return [...codes].filter((code) => !OTHERS.has(code) && !OF_OTHERS.test(code)).sort();
}

/**
 * @param text of docs/errors.md.
 * @param codes all of them.
 * @returns one problem per code that has no row, and per row of a code that is not there.
 */
export function codeProblems(text: string, codes: ReadonlySet<string>): string[] {
  const rows = text.split('\n').filter((line) => line.startsWith('| '));
  const listed = new Set<string>();
  for (const row of rows) {
    const [, first = '', second = ''] = row.split('|');
    // the table of refused requests begins with the status
    for (const code of allOf(/^ \d+ $/.test(first) ? second : first, /`([A-Z][A-Z0-9_]+)`/g)) listed.add(code);
  }
  const missing = [...codes].filter((code) => !listed.has(code)).map((code) => `${ERRORS}: no row has the code ${code}`);
  // those of A2A end with what the protocol calls the error
  const gone = [...listed].filter((code) => !codes.has(code) && !code.startsWith('A2A_'));
  return [...missing, ...gone.map((code) => `${ERRORS}: there is no code ${code}`)];
}
