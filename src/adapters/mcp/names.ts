/** In the `_meta` of a tool that takes decisions about approvals: `true`. A model must not be offered it by accident, since it could approve its own calls. */
export const DECIDES = 'rondo/decides';
