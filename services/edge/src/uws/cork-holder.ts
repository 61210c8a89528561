import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import uws, { type HttpResponse, type TemplatedApp, type us_listen_socket } from 'uWebSockets.js';

/**
 * Lets a response be upgraded later than in its upgrade handler. uWebSockets.js wants writes corked, but a response that is
 * upgraded under its own cork may be closed right after: when the socket keeps its address, `cork` takes what is now a
 * WebSocket for the response that it was, and reads "Connection: close" from memory that is somebody else's by then
 * (https://github.com/uNetworking/uWebSockets/pull/1929; it hit one handshake in 1,000). So another response lends its
 * cork: one to a request that we made ourselves and never answer. To be deleted, for `res.cork(() => res.upgrade(...))`,
 * when both binaries have the mended version.
 */
export class CorkHolder {
  readonly #app: TemplatedApp;
  readonly #client: Socket;
  readonly #held: HttpResponse;

  private constructor(app: TemplatedApp, client: Socket, held: HttpResponse) {
    this.#app = app;
    this.#client = client;
    this.#held = held;
  }

  static async open(): Promise<CorkHolder> {
    const app = uws.App();
    const held = new Promise<HttpResponse>((resolve) => {
      app.any('/*', (res) => {
        res.onAborted(() => {
          // Only we can end it, by `close`.
        });
        resolve(res);
      });
    });
    const listening = await new Promise<us_listen_socket | false>((resolve) => {
      app.listen('127.0.0.1', 0, resolve);
    });
    if (listening === false) throw new Error('no port is free on 127.0.0.1');
    const client = connect(uws.us_socket_local_port(listening), '127.0.0.1');
    await once(client, 'connect');
    client.write('GET / HTTP/1.1\r\nHost: cork\r\n\r\n');
    client.unref();
    const holder = new CorkHolder(app, client, await held);
    uws.us_listen_socket_close(listening);
    return holder;
  }

  cork(work: () => void): void {
    this.#held.cork(work);
  }

  close(): void {
    this.#client.destroy();
    this.#app.close();
  }
}
