/** @deprecated Import it from `rondo/server`. */
export { sse } from '../../server/sse.ts';
