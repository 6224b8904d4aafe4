/** Who asks or decides. Comes from the caller's authentication, never from a model or a request body. */
export interface Principal {
  id: string;
  tenant?: string;
  roles?: readonly string[];
}
