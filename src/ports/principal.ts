/** Who asks or decides. Comes from the caller's authentication, never from a model or a request body. */
export interface Principal {
  id: string;
  tenant?: string;
  roles?: readonly string[];
}

/** Of whatever a caller's authentication made, the fields that are kept. */
export const principal = ({ id, tenant, roles }: Principal): Principal => ({
  id,
  ...(tenant !== undefined && { tenant }),
  ...(roles && { roles: [...roles] }),
});
