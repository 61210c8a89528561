import { errorOf, isSignedOut } from './errors.js';
import type { SocketFactory } from './socket.js';

/**
 * Sockets of the global `WebSocket` (browsers, React Native, Deno, Bun, Node 22): a one-time ticket goes as a second
 * subprotocol, since no header can be set.
 */
export const webSocket: SocketFactory = (request, listener) => {
  let socket: WebSocket | undefined;
  let ended = false;
  const end = (code: number, reason: string): void => {
    if (ended) return;
    ended = true;
    listener.closed(code, reason);
  };
  const open = async (): Promise<void> => {
    const ticket = await request.ticket();
    if (ended) return;
    socket = new WebSocket(request.url, [request.subprotocol, `ticket.${ticket}`]);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      listener.opened();
    };
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      listener.message(typeof event.data === 'string' ? event.data : new Uint8Array(event.data));
    };
    socket.onclose = (event) => {
      end(event.code, event.reason);
    };
  };
  open().catch((error: unknown) => {
    // No ticket for this token means the same as a socket closed with 4401: the token is to be renewed.
    end(isSignedOut(error) ? 4401 : 1006, errorOf(error).message);
  });
  return {
    send: (data) => {
      socket?.send(typeof data === 'string' ? data : new Uint8Array(data));
    },
    close: (code) => {
      if (socket === undefined) end(1000, 'closed before it opened');
      else socket.close(code);
    },
  };
};
