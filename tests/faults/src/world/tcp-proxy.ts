import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * `open`: bytes pass. `cut`: connections are broken and new ones refused. `held`: nothing passes and nobody is told, as
 * when packets are lost; what was on its way arrives later. `one-way`: only what the caller says passes. `slow`: each
 * chunk is late. `dropped`: what the called one says is thrown away, which ends with the connections broken.
 */
export type ProxyMode = 'open' | 'cut' | 'held' | 'one-way' | 'slow' | 'dropped';

const SLOW_MS = 150;

interface Pair {
  readonly caller: Socket;
  readonly called: Socket;
}

interface Direction {
  readonly from: Socket;
  readonly to: Socket;
  readonly modes: { readonly stopped: readonly ProxyMode[]; readonly thrownAway: readonly ProxyMode[] };
}

/** Stands between two processes and can come between them. */
export class TcpProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #pairs = new Set<Pair>();
  #mode: ProxyMode = 'open';

  private constructor(server: Server, port: number, target: { host: string; port: number }) {
    this.#server = server;
    this.port = port;
    this.#target = target;
    server.on('connection', (caller) => {
      this.#connected(caller);
    });
  }

  static async start(target: { host: string; port: number }): Promise<TcpProxy> {
    const server = createServer({ pauseOnConnect: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: '127.0.0.1', port: 0 }, resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP server has an address');
    return new TcpProxy(server, address.port, target);
  }

  get mode(): ProxyMode {
    return this.#mode;
  }

  set mode(mode: ProxyMode) {
    const before = this.#mode;
    this.#mode = mode;
    if (mode === 'cut' || before === 'dropped') this.#breakAll();
    for (const pair of this.#pairs) this.#apply(pair);
  }

  async close(): Promise<void> {
    this.#breakAll();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  #breakAll(): void {
    for (const { caller, called } of this.#pairs) {
      caller.resetAndDestroy();
      called.resetAndDestroy();
    }
    this.#pairs.clear();
  }

  #connected(caller: Socket): void {
    if (this.#mode === 'cut') {
      caller.resetAndDestroy();
      return;
    }
    const called = connect({ ...this.#target, noDelay: true });
    const pair = { caller, called };
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      caller.destroy();
      called.destroy();
    };
    for (const socket of [caller, called]) {
      // The end of one side is the end of the other, whatever brought it about.
      socket.on('error', end);
      socket.on('close', end);
    }
    this.#carry({ from: caller, to: called, modes: { stopped: ['held'], thrownAway: [] } });
    this.#carry({ from: called, to: caller, modes: { stopped: ['held', 'one-way'], thrownAway: ['dropped'] } });
    this.#apply(pair);
  }

  /** Passes on what arrives, in order, late or not. */
  #carry({ from, to, modes }: Direction): void {
    const waiting: { readonly chunk: Buffer; readonly due: number }[] = [];
    const pass = (): void => {
      for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
        const early = next.due - performance.now();
        if (early > 0) {
          setTimeout(pass, early);
          return;
        }
        waiting.shift();
        if (to.destroyed || to.write(next.chunk)) continue;
        from.pause();
        to.once('drain', () => {
          if (!modes.stopped.includes(this.#mode)) from.resume();
        });
      }
    };
    from.on('data', (chunk: Buffer) => {
      if (modes.thrownAway.includes(this.#mode)) return;
      waiting.push({ chunk, due: this.#mode === 'slow' ? performance.now() + SLOW_MS : 0 });
      if (waiting.length === 1) pass();
    });
  }

  #apply({ caller, called }: Pair): void {
    const held = this.#mode === 'held';
    if (held) caller.pause();
    else caller.resume();
    if (held || this.#mode === 'one-way') called.pause();
    else called.resume();
  }
}
