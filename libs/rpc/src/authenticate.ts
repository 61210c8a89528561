import { createHash, timingSafeEqual } from 'node:crypto';
import type { PeerCertificate } from 'node:tls';
import type { RotatingSecret } from '@godwit/runtime/config';
import type { Metadata } from '@grpc/grpc-js';
import { permissionDenied, unauthenticated } from './rpc-error.js';

/** Metadata keys that the fleet's calls carry. */
export const AUTHORIZATION_KEY = 'authorization';
export const API_KEY_KEY = 'x-api-key';
/** Name of the calling replica. */
export const NODE_KEY = 'godwit-node';
/** The user whom a call acts for. Believed from the fleet, and from API keys whose scope allows the method. */
export const USER_KEY = 'godwit-user';
/** The device of that user, where the call comes from one. */
export const DEVICE_KEY = 'godwit-device';
/** The caller's span (W3C trace context). */
export const TRACEPARENT_KEY = 'traceparent';

/** Who calls: a member of the fleet, or an internal team by its API key. */
export type Caller =
  | { readonly kind: 'fleet'; readonly node: string }
  | { readonly kind: 'api-key'; readonly callerId: string; readonly scopes: readonly string[] };

export interface ApiKeyOwner {
  readonly callerId: string;
  readonly scopes: readonly string[];
}

export interface ServerAuth {
  readonly fleetToken: RotatingSecret;
  /** Who has this API key; undefined for an unknown or revoked one. Cache it: it is asked for every call. */
  readonly verifyApiKey?: (key: string) => Promise<ApiKeyOwner | undefined>;
}

/** The organization in the certificates of fleet members; other certificates of our authority need an API key. */
export const FLEET_ORGANIZATION = 'godwit-fleet';

export interface Credentials {
  readonly metadata: Metadata;
  readonly certificate?: PeerCertificate | undefined;
  /** The scope with which an API key may call this method; undefined: the fleet only. */
  readonly apiKeyScope: string | undefined;
}

export type Authenticate = (credentials: Credentials) => Caller | Promise<Caller>;

export const textOf = (metadata: Metadata, key: string): string | undefined => {
  const value = metadata.get(key)[0];
  return typeof value === 'string' && value !== '' ? value : undefined;
};

// Hashes are of the same length, so that comparing tells nothing of the secret's length either.
const digest = (secret: string): Buffer => createHash('sha256').update(secret).digest();

const isOneOf = (expected: readonly Buffer[], given: Buffer): boolean =>
  expected.some((one) => timingSafeEqual(given, one));

/**
 * Checks who calls. @throws RpcError UNAUTHENTICATED without good credentials, PERMISSION_DENIED for an API key where
 * the method isn't open to it
 */
export const createAuthenticate = ({ fleetToken, verifyApiKey }: ServerAuth): Authenticate => {
  const expected = fleetToken.map((token) => digest(`Bearer ${token}`));
  const byApiKey = async (key: string, scope: string | undefined): Promise<Caller> => {
    const owner = await verifyApiKey?.(key);
    if (owner === undefined) throw unauthenticated('API_KEY_INVALID', 'this API key is unknown, expired or revoked');
    if (scope === undefined) throw permissionDenied('NOT_FOR_API_KEYS', 'this method is for the fleet only');
    if (!owner.scopes.includes(scope)) {
      throw permissionDenied('SCOPE_MISSING', `this API key lacks the scope ${scope}`);
    }
    return { kind: 'api-key', callerId: owner.callerId, scopes: owner.scopes };
  };
  return ({ metadata, certificate, apiKeyScope }) => {
    const apiKey = textOf(metadata, API_KEY_KEY);
    if (apiKey !== undefined) return byApiKey(apiKey, apiKeyScope);
    const authorization = textOf(metadata, AUTHORIZATION_KEY);
    const isFleet =
      isFleetCertificate(certificate) || (authorization !== undefined && isOneOf(expected, digest(authorization)));
    if (!isFleet) throw unauthenticated('CREDENTIALS_MISSING', 'call with an API key in x-api-key');
    return { kind: 'fleet', node: textOf(metadata, NODE_KEY) ?? 'unknown' };
  };
};

const isFleetCertificate = (certificate: PeerCertificate | undefined): boolean => {
  const organization: unknown = certificate?.subject?.O;
  return Array.isArray(organization) ? organization.includes(FLEET_ORGANIZATION) : organization === FLEET_ORGANIZATION;
};
