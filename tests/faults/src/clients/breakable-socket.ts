import { connect, type NetConnectOpts, type Socket } from 'node:net';
import WebSocket from 'ws';

/** The first bytes of a masked binary frame of 4,096 bytes, and no more. */
const HALF_A_FRAME = Buffer.from([0x82, 0xfe, 0x10, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07]);

/** A WebSocket with its TCP connection at hand, to be cut where it hurts. */
export class BreakableSocket {
  readonly ws: WebSocket;
  #tcp: Socket | undefined;
  #slowTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string, subprotocol: string, accessToken: string) {
    this.ws = new WebSocket(url, subprotocol, {
      headers: { authorization: `Bearer ${accessToken}` },
      handshakeTimeout: 10_000,
      perMessageDeflate: false,
      createConnection: ((options: NetConnectOpts) => {
        this.#tcp = connect({ ...options, path: undefined } as NetConnectOpts);
        return this.#tcp;
      }) as typeof connect,
    });
    this.ws.on('error', () => undefined);
    this.ws.on('close', () => {
      clearTimeout(this.#slowTimer);
    });
  }

  /** The network goes away under it: what was said may be on its way or not, a frame may be half said. */
  cut(midFrame: boolean): void {
    const tcp = this.#tcp;
    if (tcp === undefined || tcp.destroyed) return;
    if (!midFrame || this.ws.readyState !== WebSocket.OPEN) {
      tcp.resetAndDestroy();
      return;
    }
    tcp.write(HALF_A_FRAME, () => {
      tcp.destroy();
    });
  }

  slow(forMs: number): void {
    if (this.ws.readyState !== WebSocket.OPEN) return;
    this.ws.pause();
    this.#slowTimer = setTimeout(() => {
      this.ws.resume();
    }, forMs);
  }
}
