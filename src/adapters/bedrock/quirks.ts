import type { Feature } from './families.ts';

/**
 * Classifies a refusal. Lists of models go stale, so refusals beyond the table of families are learned: a refusal that names a feature
 * drops it, and the request is repeated at once. A refused request costs nothing.
 */
export interface Lesson {
  features: readonly Feature[];
  /** It is about this conversation, not about the model. */
  once?: true;
}

type Row = readonly [pattern: RegExp, features: readonly Feature[], once?: true];

const CACHE: readonly Feature[] = ['cache.system', 'cache.tools', 'cache.messages', 'cache.results'];

/** The first matching row of whose features one was sent. */
const REFUSALS: readonly Row[] = [
  [/\bttl\b/i, ['cache.ttl']],
  [/(toolConfig|tools)\b.*(cache_?point|cache_control)/i, ['cache.tools']],
  [/\bsystem\b.*(cache_?point|cache_control)/i, ['cache.system']],
  [/\bmessages\b.*(cache_?point|cache_control)/i, ['cache.results', 'cache.messages']],
  [/prompt caching|cache_?point|cache point|cache_control/i, CACHE],
  [/output_?config[._]?(text_?)?format|outputConfig(?!\.effort)|structured outputs?/i, ['textFormat']],
  [/signature: field required|signature.*\b(is required|must not be null)/i, ['unsigned']],
  [/reasoningText\.signature/i, ['signature']],
  [/support the (\S+\.)?status field|toolResult\S*\.status\b/i, ['status']],
  [/expected .?(thinking|redacted_thinking).?.*but found|must start with a thinking block/i, ['thinking'], true],
  [/invalid .?signature.? in .?thinking|thinking.?( or .?redacted_thinking.?)? blocks? .*cannot be modified/i, ['reasoning'], true],
  [
    /support(s|ed)?\b.*reasoningContent|reasoningContent\b.*(support|not permitted|must not be null)|(contain|remove the) reasoning content/i,
    ['reasoning'],
  ],
  [
    /tools? (use|calling) (in|with|while) streaming|stream\w*\b.*\btools?\b.*\bsupport|support\w*\b.*\btools?\b.*\bstream/i,
    ['stream.tools'],
  ],
  [/unsupported for streaming|support (response )?streaming|streaming .*not supported/i, ['stream']],
  [/(conversation blocks?|text).*tool ?results? (blocks? )?cannot be provided in the same/i, ['beside']],
  [/support system (messages?|prompts?)|system (messages?|prompts?|role) (is|are) not supported/i, ['system']],
  [/tool_?choice/i, ['toolChoice']],
  [/support (tool use|tools|tool calling|the tool(Config|Use|Result)\b)|tool (use|calling) is not supported/i, ['tools']],
  [/media type, but the image appears to be|image .*does not match the (provided )?(media|mime) type/i, ['declared']],
  [/too many (images|documents|images and documents|media)|(image|document)_count/i, ['many'], true],
  [/could not process (the )?image|image (exceeds|dimensions)|image.*(corrupt|exceeds? .*maximum)/i, ['image'], true],
  [
    /could not process (the )?(pdf|document)|\bPDF (specified|pages|is|cannot)|document.*(corrupt|password|exceeds?|too large|not valid)/i,
    ['document'],
    true,
  ],
  [/support the image field|images? (inputs? )?(is|are) not supported|support images?\b/i, ['result.image']],
  [/support the image field|images? (inputs? )?(is|are) not supported|support images?\b/i, ['image']],
  [/support (the )?documents?\b|documents? (is|are) not supported/i, ['result.document']],
  [/support (the )?documents?\b|documents? (is|are) not supported/i, ['document']],
  [/property keys? should match/i, ['argument']],
  [/(oneOf|allOf|anyOf).*top.level/i, ['union']],
  [/input_?schema|json ?schema/i, ['root']],
  [/input_?schema|json ?schema/i, ['schema']],
];

/** The features to omit from the refused request, if they were sent. */
export function lessonOf(error: unknown, sent: ReadonlySet<Feature>): Lesson | undefined {
  const { name, message } = error as { name?: unknown; message?: unknown };
  const text = String(message);
  // some models report an unsupported cache as an access error
  const refused = /^validationexception$/i.test(String(name)) || (/^accessdenied/i.test(String(name)) && /prompt caching/i.test(text));
  if (!refused) return undefined;
  for (const [pattern, features, once] of REFUSALS) {
    const ours = features.filter((feature) => sent.has(feature));
    if (ours.length > 0 && pattern.test(text)) return { features: ours, ...(once && { once }) };
  }
  return undefined;
}
