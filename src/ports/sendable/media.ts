import type { Message, ModelRequest, Part } from '../model.ts';

type Media = Extract<Part, { type: 'image' | 'document' }>;

/** The image types that every provider with image support accepts. */
const IMAGES = /^image\/(png|jpe?g|gif|webp)(;|$)/i;

/** Whether an image or a document may be sent. With any other, a provider refuses the whole request. */
const isKnown = ({ type, mediaType, data }: Media): boolean => data !== '' && (type === 'document' || IMAGES.test(mediaType.trim()));

const holdsMedia = (messages: readonly Message[]): boolean =>
  messages.some(({ content }) => content.some((part) => (part.type === 'toolResult' ? part.output.some(isMedia) : isMedia(part))));

const isMedia = (part: Part): part is Media => part.type === 'image' || part.type === 'document';

/** The conversation with a line of text instead of each image and document for which `keep` returns false. */
function linesForMedia(messages: readonly Message[], keep: (part: Media) => boolean): Message[] {
  const line = (part: Part): Part => {
    if (part.type === 'toolResult') return { ...part, output: part.output.map(line) };
    if (!isMedia(part) || keep(part)) return part;
    const name = part.name === undefined ? '' : ` ${JSON.stringify(part.name.slice(0, 200))}`;
    const what = part.type === 'image' ? 'An image' : 'A document';
    return {
      type: 'text',
      text: `(${what}${name} of type ${part.mediaType.slice(0, 100)} was left out here: the model does not take it.)`,
    };
  };
  return messages.map(({ role, content }) => ({ role, content: content.map(line) }));
}

/**
 * Asks a model with the media that providers take. If the provider refuses them, asks once more with a line of text instead of each: an image that a
 * provider does not take must not end the session.
 * @param isOver whether it is too late to ask again: the call was given up, or a part of the answer was told already.
 */
export async function askedWithMedia<T>(
  request: ModelRequest,
  once: (request: ModelRequest) => Promise<T>,
  isOver: () => boolean,
): Promise<T> {
  const messages = linesForMedia(request.messages, isKnown);
  try {
    return await once({ ...request, messages });
  } catch (error) {
    if (isOver() || !blamesMedia(error) || !holdsMedia(messages)) throw error;
    return once({ ...request, messages: linesForMedia(messages, () => false) });
  }
}

/** Whether a refusal may be about an image or a document. */
function blamesMedia(error: unknown): boolean {
  const { name, message, statusCode, status } = (error ?? {}) as { [k: string]: unknown };
  if (name === 'AI_UnsupportedFunctionalityError') return true;
  const code = typeof statusCode === 'number' ? statusCode : status;
  const refused = code === undefined || code === 400 || code === 413 || code === 415 || code === 422;
  return refused && /\b(images?|image_url|media|mime|documents?|files?|pdf)\b/i.test(String(message));
}
