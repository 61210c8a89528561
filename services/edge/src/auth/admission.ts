import type { ConnectionIdentity } from '../domain/connection.js';
import { jsonResponse, type HttpResponse, type UpgradeRequest } from '../domain/http.js';
import type { AccessTokens, TokenOwner } from './access-tokens.js';
import type { AccountClient } from './account-client.js';
import type { DeviceChecks } from './device-checks.js';

export const PROTO_SUBPROTOCOL = 'godwit.v1.proto';
export const JSON_SUBPROTOCOL = 'godwit.v1.json';
const TICKET_PREFIX = 'ticket.';
const BEARER = /^Bearer ([^\s]+)$/i;

export interface Refused {
  readonly status: number;
  readonly reason: string;
  readonly message: string;
}

export type Authentication =
  { readonly ok: true; readonly owner: TokenOwner } | { readonly ok: false; readonly refused: Refused };

const denied = (status: number, reason: string, message: string): Authentication => ({
  ok: false,
  refused: { status, reason, message },
});

export interface AuthenticatorOptions {
  readonly tokens: AccessTokens;
  readonly devices: DeviceChecks;
  readonly account: AccountClient;
}

/** Finds out who a client is: by its access token, or by a ticket that it got for one. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** `authorization`: the header's value. */
  async byHeader(authorization: string): Promise<Authentication> {
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) {
      return denied(401, 'UNAUTHENTICATED', 'an access token is needed: Authorization: Bearer <token>');
    }
    const check = await this.#options.tokens.check(token);
    if (!check.ok) return denied(check.reason === 'UNAVAILABLE' ? 503 : 401, check.reason, check.message);
    return this.#standing(check.owner);
  }

  async byTicket(ticket: string): Promise<Authentication> {
    const owner = await this.#redeem(ticket);
    if (owner === 'unavailable') return denied(503, 'UNAVAILABLE', 'tickets can not be redeemed now, try again');
    if (owner === undefined) return denied(401, 'UNAUTHENTICATED', 'the ticket is unknown, used or expired');
    return this.#standing(owner);
  }

  async #redeem(ticket: string): Promise<TokenOwner | undefined | 'unavailable'> {
    try {
      return await this.#options.account.redeemTicket(ticket);
    } catch {
      return 'unavailable';
    }
  }

  async #standing(owner: TokenOwner): Promise<Authentication> {
    if (await this.#options.devices.isValid(owner.userId, owner.deviceId)) return { ok: true, owner };
    return denied(401, 'UNAUTHENTICATED', 'the device was removed or signed out');
  }
}

export interface AdmissionOptions {
  readonly authenticator: Authenticator;
  /** Whether another socket may be opened now, from this address; else why not. */
  readonly mayConnect: (address: string) => Refused | undefined;
  readonly isOriginAllowed: (origin: string) => boolean;
}

export type HandshakeResult =
  | { readonly ok: true; readonly subprotocol: string; readonly identity: ConnectionIdentity }
  | { readonly ok: false; readonly response: HttpResponse };

const refuse = ({ status, reason, message }: Refused): HandshakeResult => ({
  ok: false,
  response: jsonResponse(status, { reason, message }),
});

/** Decides on WebSocket handshakes. Never puts a socket up for whom it does not know. */
export const createAdmission =
  ({ authenticator, mayConnect, isOriginAllowed }: AdmissionOptions) =>
  async ({ subprotocols, authorization, origin, address }: UpgradeRequest): Promise<HandshakeResult> => {
    const subprotocol = subprotocols.find((name) => name === PROTO_SUBPROTOCOL || name === JSON_SUBPROTOCOL);
    if (subprotocol === undefined) {
      const message = `offer the subprotocol ${PROTO_SUBPROTOCOL} or ${JSON_SUBPROTOCOL}`;
      return refuse({ status: 400, reason: 'UNKNOWN_SUBPROTOCOL', message });
    }
    if (origin !== '' && !isOriginAllowed(origin)) {
      return refuse({ status: 403, reason: 'ORIGIN_NOT_ALLOWED', message: 'pages of this origin may not connect' });
    }
    const barred = mayConnect(address);
    if (barred !== undefined) return refuse(barred);
    const ticket = subprotocols.find((name) => name.startsWith(TICKET_PREFIX))?.slice(TICKET_PREFIX.length);
    const useTicket = authorization === '' && ticket !== undefined;
    const authentication = useTicket
      ? await authenticator.byTicket(ticket)
      : await authenticator.byHeader(authorization);
    if (!authentication.ok) return refuse(authentication.refused);
    const { userId, deviceId, expiresAt: tokenExpiresAt } = authentication.owner;
    const identity = { userId, deviceId, address, json: subprotocol === JSON_SUBPROTOCOL, tokenExpiresAt };
    return { ok: true, subprotocol, identity };
  };
