import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  ClientFrameSchema,
  ServerFrameSchema,
  type ClientFrame,
} from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import type { SocketFactory, SocketListener, SocketRequest } from '../src/socket.js';
import type { ServerBody } from './fake-edge.js';

/** One socket that a test plays the server of. */
export class FakeSocket {
  readonly request: SocketRequest;
  readonly frames: ClientFrame[] = [];
  closedWith: number | undefined;
  readonly #listener: SocketListener;

  constructor(request: SocketRequest, listener: SocketListener) {
    this.request = request;
    this.#listener = listener;
  }

  open(): void {
    this.#listener.opened();
  }

  say(body: ServerBody, requestId = 0): void {
    this.raw(toBinary(ServerFrameSchema, create(ServerFrameSchema, { requestId, body })));
  }

  raw(data: string | Uint8Array): void {
    this.#listener.message(data);
  }

  close(code: number, reason = ''): void {
    this.#listener.closed(code, reason);
  }

  /** Open, welcomed, and synced. */
  online(edges: string[] = [], tokenValidMs = 900_000): void {
    this.open();
    this.welcome(edges, tokenValidMs);
    this.say({ case: 'syncComplete', value: { serverTimeMs: 1n } });
  }

  welcome(edges: string[] = [], tokenValidMs = 900_000): void {
    const serverTimeMs = 5_000_000n;
    const tokenExpiresAtMs = serverTimeMs + BigInt(tokenValidMs);
    this.say({
      case: 'welcome',
      value: { userId: 'u', deviceId: 'd', epoch: 7n, heartbeatMs: 20_000, serverTimeMs, tokenExpiresAtMs, edges },
    });
  }

  bodies(): (string | undefined)[] {
    return this.frames.map(({ body }) => body.case);
  }
}

export interface FakeSockets {
  readonly factory: SocketFactory;
  readonly all: FakeSocket[];
  /** Whether pings are answered. */
  alive: boolean;
  last(): FakeSocket;
}

export function fakeSockets(): FakeSockets {
  const all: FakeSocket[] = [];
  const sockets: FakeSockets = {
    all,
    alive: true,
    factory: (request, listener) => {
      const socket = new FakeSocket(request, listener);
      all.push(socket);
      return {
        send: (data) => {
          if (typeof data === 'string') throw new TypeError('the fake speaks protobuf');
          const frame = fromBinary(ClientFrameSchema, data);
          socket.frames.push(frame);
          if (frame.body.case === 'ping' && sockets.alive) socket.say({ case: 'pong', value: {} });
        },
        close: (code) => {
          socket.closedWith = code;
        },
      };
    },
    last: () => {
      const socket = all.at(-1);
      if (socket === undefined) throw new Error('no socket was opened');
      return socket;
    },
  };
  return sockets;
}
