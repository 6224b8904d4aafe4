/** Texts in HTML. */
const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** A text as it stands in an element or an attribute. */
export const escaped = (text: string) => text.replace(/[&<>"']/g, (char) => ENTITIES[char] as string);
