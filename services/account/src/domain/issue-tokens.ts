import type { Clock } from '@godwit/runtime/clock';
import type { Actor, Tokens } from './model.js';
import type { AccessTokenSigner, RefreshTokenStore, Secrets } from './ports.js';

export interface TokenTerms {
  readonly accessMs: number;
  readonly refreshMs: number;
  /** A used-up refresh token that comes again within this time gets the same answer as before. */
  readonly refreshGraceMs: number;
}

export interface IssueDeps {
  readonly clock: Clock;
  readonly signer: AccessTokenSigner;
  readonly refreshTokens: RefreshTokenStore;
  readonly secrets: Secrets;
  readonly terms: TokenTerms;
}

export interface AccessToken {
  readonly accessToken: string;
  readonly accessExpiresAt: number;
}

export const issueAccessToken = async (
  { clock, signer }: Pick<IssueDeps, 'clock' | 'signer'>,
  actor: Actor,
  validMs: number,
): Promise<AccessToken> => {
  const issuedAt = clock.now();
  // Tokens count in whole seconds.
  const expiresAt = Math.floor((issuedAt + validMs) / 1_000) * 1_000;
  return { accessToken: await signer.sign({ ...actor, issuedAt, expiresAt }), accessExpiresAt: expiresAt };
};

/** The first tokens of a device. */
export const issueTokens = async (deps: IssueDeps, actor: Actor): Promise<Tokens> => {
  const { clock, refreshTokens, secrets, terms } = deps;
  const refreshToken = secrets.newToken();
  const refreshExpiresAt = clock.now() + terms.refreshMs;
  const [access] = await Promise.all([
    issueAccessToken(deps, actor, terms.accessMs),
    refreshTokens.insert([{ hash: secrets.tokenHash(refreshToken), ...actor, expiresAt: refreshExpiresAt }]),
  ]);
  return { ...access, refreshToken, refreshExpiresAt };
};
