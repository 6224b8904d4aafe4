/** A user or service that starts runs or decides. It comes from authentication, never from a model or a request body. */
export type Principal = {
  id: string;
  tenant?: string;
  roles?: readonly string[];
};

/** Why a principal is invalid; undefined if it is valid. */
export function principalProblem(by: unknown): string | undefined {
  const { id, tenant, roles } = (by ?? {}) as { [k: string]: unknown };
  if (!isName(id)) return 'its id must be a text that is not empty';
  if (tenant !== undefined && tenant !== '' && !isName(tenant)) return 'its tenant must be a text';
  if (roles !== undefined && !(Array.isArray(roles) && roles.every(isName))) return 'its roles must be a list of texts';
  return undefined;
}

/** Whether a value is a valid id or name: a text of 1 to 500 characters without lone surrogates, which some stores would confuse. */
export const isName = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= 500 && !/\p{Cs}/u.test(value);

/** A copy with only the known fields, because authentication may return more. */
export const principal = ({ id, tenant, roles }: Principal): Principal => ({
  id,
  ...(tenant !== undefined && { tenant }),
  ...(roles && { roles: [...roles] }),
});

/** Whether two are the same user. Roles may differ. */
export const isSamePrincipal = (a: Principal | undefined, b: Principal | undefined): boolean => a?.id === b?.id && a?.tenant === b?.tenant;
