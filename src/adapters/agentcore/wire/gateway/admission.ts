/** Who calls a gateway: by a signature, by a token, or without either. */
import type { Principal } from '../../../../ports/principal.ts';
import type { JwtAuthorizer } from '../../../../server/authorizer.ts';
import { type Claims, principalFrom } from '../../../../server/claims.ts';
import { authorizers } from '../authorizers.ts';
import type { Caller, World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import type { Gateway } from './resources.ts';

export interface Admitted {
  readonly by: Principal;
  /** The token that the caller came with. */
  readonly token?: string;
}

export interface Admission {
  /** @param metadata the URL of the protected-resource document. @throws AwsError for a caller that may not call. */
  admit(gateway: Gateway, caller: Caller, metadata: string): Promise<Admitted>;
  /** The protected-resource document; undefined for a gateway without tokens. */
  metadata(gateway: Gateway, url: string): object | undefined;
}

const denied = (message: string) => new AwsError('AccessDeniedException', message);
/** A principal has at most so many claims, and a claim so many characters. */
const MOST = { claims: 50, characters: 4_096 };

export function admission(world: Pick<World, 'clock'>): Admission {
  const authorizer = authorizers(world);
  const authorizerOf = ({ id, settings }: Gateway) => authorizer(id, settings.authorizerConfiguration?.customJWTAuthorizer);

  return {
    async admit(gateway, caller, metadata) {
      const { authorizerType } = gateway.settings;
      if (authorizerType === 'NONE') return { by: { id: 'anonymous' } };
      const tokens = authorizerOf(gateway);
      if (tokens) return byToken(tokens, caller, metadata);
      if (caller.kind === 'aws') return { by: { id: caller.arn } };
      if (caller.kind === 'bearer') throw denied('This gateway takes signed requests, and no token.');
      throw new AwsError('MissingAuthenticationTokenException', 'Missing Authentication Token');
    },
    metadata: (gateway, url) => authorizerOf(gateway)?.metadata(url),
  };
}

async function byToken(authorizer: JwtAuthorizer, caller: Caller, metadata: string): Promise<Admitted> {
  const challenged = (message: string, because?: string) => {
    const error = new AwsError('UnauthorizedException', message, {}, { 'www-authenticate': authorizer.challenge(metadata) });
    error.because = because;
    return error;
  };
  if (caller.kind !== 'bearer') throw challenged('Missing Bearer token');
  let checked: Awaited<ReturnType<JwtAuthorizer['check']>>;
  try {
    checked = await authorizer.check(caller.token);
  } catch (cause) {
    throw new AwsError('InternalServerException', `The issuer of the tokens cannot be asked: ${(cause as Error).message}.`);
  }
  if (checked.ok) return { by: { ...checked.by, claims: claimsOf(checked.claims) }, token: caller.token };
  if (checked.reason === 'token' || checked.reason === 'expired') throw challenged('Invalid Bearer token', checked.message);
  const refusal = denied('insufficient permissions');
  refusal.because = checked.message;
  throw refusal;
}

/** The claims that a policy can ask for. */
function claimsOf(claims: Claims): Readonly<Record<string, string>> {
  const { claims: texts = {} } = principalFrom({ ...claims, sub: 'caller' }, { claims: Object.keys(claims) }) ?? {};
  const short = Object.entries({ ...texts, ...(claims.sub !== undefined && { sub: claims.sub }) }).filter(
    ([, text]) => text.length <= MOST.characters,
  );
  return Object.fromEntries(short.slice(0, MOST.claims));
}
