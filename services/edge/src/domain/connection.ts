import type { CloseCode, Socket } from './socket.js';
import type { OutboundFrame } from './outbound-frame.js';
import type { Positions } from './positions.js';
import type { SyncRound } from './sync-round.js';

/**
 * `greeting`: no `hello` yet. `registering`: waits for its epoch. `syncing`: gets what it has missed. `live`: gets what
 * comes.
 */
export type ConnectionState = 'greeting' | 'registering' | 'syncing' | 'live' | 'closed';

export interface ConnectionIdentity {
  readonly userId: string;
  readonly deviceId: string;
  /** The peer's IP address. */
  readonly address: string;
  readonly json: boolean;
  /** When the access token expires, ms since 1970. */
  readonly tokenExpiresAt: number;
}

/**
 * What the edge keeps of a socket. There are very many: one flat object each, no closures, no timers, and what only some
 * need only where it is needed.
 */
export class Connection {
  readonly handle: number;
  readonly socket: Socket;
  readonly userId: string;
  readonly deviceId: string;
  readonly address: string;
  readonly json: boolean;
  tokenExpiresAt: number;
  state: ConnectionState = 'greeting';
  epoch = 0;
  helloRequestId = 0;
  /** The session replica that has the socket; empty while none has. */
  sessionNode = '';
  /** More than one session replica may have heard of the socket. */
  sessionMoved = false;
  /** Presence has been told. */
  isPresent = false;
  unackedSends = 0;
  runningCalls = 0;
  /** When to look again for what was missed, ms since 1970; 0: not planned. */
  recheckAt = 0;
  wheelSlot = 0;
  round: SyncRound | undefined = undefined;
  positions: Positions | undefined = undefined;
  offences: Offences | undefined = undefined;

  constructor(handle: number, socket: Socket, identity: ConnectionIdentity) {
    this.handle = handle;
    this.socket = socket;
    this.userId = identity.userId;
    this.deviceId = identity.deviceId;
    this.address = identity.address;
    this.json = identity.json;
    this.tokenExpiresAt = identity.tokenExpiresAt;
  }

  get isOpen(): boolean {
    return this.state !== 'closed';
  }

  send(frame: OutboundFrame): void {
    if (this.state !== 'closed') this.socket.send(this.json ? frame.text() : frame.binary());
  }

  close(code: CloseCode, reason: string): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.socket.close(code, reason);
  }
}

/** What a socket has done wrong lately. */
export interface Offences {
  malformed: number;
  malformedSince: number;
  tooFast: number;
  tooFastSince: number;
}
