/** Removes a Markdown code fence, in which models often wrap JSON. */
export function unfenced(text: string): string {
  const trimmed = text.trim();
  if (!trimmed.startsWith('```') || !trimmed.endsWith('```')) return trimmed;
  const inner = trimmed.slice(3, -3);
  return inner.startsWith('json') ? inner.slice(4) : inner;
}
