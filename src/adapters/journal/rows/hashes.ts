/** The hashes of blobs that rows may name. A text of the user's that looks like a hash finds nothing, or a blob that is not asked for. */
export function blobHashes(rows: readonly { body: string }[]): Set<string> {
  const hashes = new Set<string>();
  for (const { body } of rows)
    if (body.includes('"blobs":{')) for (const [found] of body.matchAll(/(?<=")[0-9a-f]{64}(?=")/g)) hashes.add(found);
  return hashes;
}
