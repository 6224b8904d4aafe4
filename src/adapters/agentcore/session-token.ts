/** How a program knows that a request is from the local server that started it: other programs of this machine reach its port too. */

/** The variable of the environment that has the token. */
export const TOKEN_VARIABLE = 'RONDO_SESSION_TOKEN';
/** The header that every request of the server has it in. */
export const TOKEN_HEADER = 'x-rondo-session-token';
