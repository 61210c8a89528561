import WebSocket from 'ws';
import type { SocketFactory } from './socket.js';

/** Sockets of the `ws` package: the token goes in the Authorization header. */
export const nodeSocket: SocketFactory = (request, listener) => {
  const socket = new WebSocket(request.url, request.subprotocol, {
    headers: { authorization: `Bearer ${request.accessToken}` },
    handshakeTimeout: 10_000,
    perMessageDeflate: false,
    skipUTF8Validation: true,
  });
  let refusal = '';
  let refusedStatus = 0;
  socket.on('open', () => {
    listener.opened();
  });
  socket.on('message', (data: Buffer, isBinary) => {
    listener.message(isBinary ? data : data.toString('utf8'));
  });
  socket.on('unexpected-response', (_request, response) => {
    refusedStatus = response.statusCode ?? 0;
    response.resume();
    socket.terminate();
  });
  socket.on('error', (error) => {
    refusal = refusedStatus === 0 ? error.message : `HTTP ${String(refusedStatus)}`;
  });
  socket.on('close', (code, reason) => {
    // 401 at the upgrade means the same as 4401 later.
    if (refusedStatus === 401) listener.closed(4401, 'token refused');
    else listener.closed(code, reason.toString() || refusal);
  });
  return {
    send: (data) => {
      socket.send(data);
    },
    close: (code) => {
      socket.close(code);
      // A peer that is gone never answers the close: don't wait for it.
      setTimeout(() => {
        socket.terminate();
      }, 1_000).unref();
    },
  };
};
