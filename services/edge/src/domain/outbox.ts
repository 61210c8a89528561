import type { Connection } from './connection.js';
import type { OutboundFrame } from './outbound-frame.js';

/** Gathers what one frame of a router has for the sockets: several frames for one leave together. */
export class Outbox {
  #frames = new Map<Connection, OutboundFrame | OutboundFrame[]>();

  add(connection: Connection, frame: OutboundFrame): void {
    const waiting = this.#frames.get(connection);
    if (waiting === undefined) this.#frames.set(connection, frame);
    else if (Array.isArray(waiting)) waiting.push(frame);
    else this.#frames.set(connection, [waiting, frame]);
  }

  flush(): void {
    const frames = this.#frames;
    this.#frames = new Map();
    for (const [connection, waiting] of frames) {
      if (!Array.isArray(waiting)) {
        connection.send(waiting);
        continue;
      }
      connection.socket.cork(() => {
        for (const frame of waiting) connection.send(frame);
      });
    }
  }
}
