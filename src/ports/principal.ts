/** Who asks or decides. Comes from the caller's authentication, never from a model or a request body. */
export interface Principal {
  id: string;
  tenant?: string;
  roles?: readonly string[];
}

/** What is wrong with a principal; undefined for one that makes sense. */
export function principalProblem(by: unknown): string | undefined {
  const { id, tenant, roles } = (by ?? {}) as { [k: string]: unknown };
  if (!isName(id)) return 'its id must be a text that is not empty';
  if (tenant !== undefined && tenant !== '' && !isName(tenant)) return 'its tenant must be a text';
  if (roles !== undefined && !(Array.isArray(roles) && roles.every(isName))) return 'its roles must be a list of texts';
  return undefined;
}

/** A text that every store can tell from another: not empty, not endless, no half characters. */
export const isName = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= 500 && !/\p{Cs}/u.test(value);

/** Of whatever a caller's authentication made, the fields that are kept. */
export const principal = ({ id, tenant, roles }: Principal): Principal => ({
  id,
  ...(tenant !== undefined && { tenant }),
  ...(roles && { roles: [...roles] }),
});
