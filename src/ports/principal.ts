import { invalid } from '../errors.ts';
import { misspelt } from '../options.ts';

/** A user or service that starts runs or decides. It comes from authentication, never from a model or a request body. */
export type Principal = {
  /** 1 to 500 characters. Unique within the tenant. */
  id: string;
  /** Its runs and keys are invisible to other tenants. Absent: none, and what it starts is visible to all. */
  tenant?: string;
  /** What the `roles` of an approval are compared with. Policies see them too. */
  roles?: readonly string[];
  /** What a policy may ask for besides: claims of the caller's token, as texts, by name. At most 50. They are journaled with the run. */
  claims?: Readonly<Record<string, string>>;
};

const MOST_CLAIMS = 50;
/** Characters. */
const LONGEST_CLAIM = 4_096;

/** Why a principal is invalid; undefined if it is valid. */
export function principalProblem(by: unknown): string | undefined {
  if (typeof by === 'string') return `it is an object: { id: ${JSON.stringify(by.slice(0, 500))} }`;
  const { id, tenant, roles, claims } = (by ?? {}) as { [k: string]: unknown };
  if (!isName(id)) return 'its id must be a text that is not empty';
  if (tenant !== undefined && tenant !== '' && !isName(tenant)) return 'its tenant must be a text';
  if (roles !== undefined && !(Array.isArray(roles) && roles.every(isName))) return 'its roles must be a list of texts';
  if (claims !== undefined && !areClaims(claims))
    return `its claims must be an object of at most ${MOST_CLAIMS} texts, each of at most ${LONGEST_CLAIM} characters`;
  return slipIn(by as object);
}

/** @throws RondoError `CONFIG_INVALID` for an invalid principal. */
export function checkBy(by: unknown, where: string): void {
  const wrong = by === undefined ? undefined : principalProblem(by);
  if (wrong) throw invalid(`${where}: by comes from the caller's authentication: ${wrong}.`);
}

const FIELDS: readonly string[] = ['id', 'tenant', 'roles', 'claims'] satisfies (keyof Principal)[];

/** Other fields are free, because authentication may return more; but a misspelt `tenant` would be a caller of none. */
function slipIn(by: object): string | undefined {
  const has = (name: string) => (by as { [k: string]: unknown })[name] !== undefined;
  const missing = FIELDS.filter((field) => !has(field));
  const slip = misspelt(missing, () => Object.keys(by).filter((name) => !FIELDS.includes(name) && has(name)));
  return slip && `it has "${slip.name}". Did you mean "${slip.meant}"? It is { id, tenant, roles, claims }`;
}

/**
 * Whether a value is a valid id or name: a text of 1 to 500 characters. It has no lone surrogate, which some stores would confuse with another,
 * and no U+0000, at which the SQLite of Node 22 cuts a text when it is read.
 */
export const isName = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= 500 && !/\p{Cs}/u.test(value) && !value.includes('\0');

function areClaims(claims: unknown): claims is Principal['claims'] {
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) return false;
  const entries = Object.entries(claims);
  const isClaim = (value: unknown) => typeof value === 'string' && value.length <= LONGEST_CLAIM && !/\p{Cs}/u.test(value);
  return entries.length <= MOST_CLAIMS && entries.every(([name, value]) => isName(name) && isClaim(value));
}

/** A copy with only the known fields, because authentication may return more. */
export const principal = ({ id, tenant, roles, claims }: Principal): Principal => ({
  id,
  ...(tenant !== undefined && { tenant }),
  ...(roles && { roles: [...roles] }),
  // a name such as __proto__ stays a name
  ...(claims && { claims: Object.fromEntries(Object.entries(claims)) }),
});

/** Whether two are the same user. Roles and claims may differ. */
export const isSamePrincipal = (a: Principal | undefined, b: Principal | undefined): boolean => a?.id === b?.id && a?.tenant === b?.tenant;
