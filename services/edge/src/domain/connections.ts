import { Connection, type ConnectionIdentity } from './connection.js';
import type { Socket } from './socket.js';

const MAX_HANDLE = 0xffff_ffff;

/** The edge's sockets by their numbers. A number is never used twice in the life of the process. */
export class Connections {
  readonly #byHandle = new Map<number, Connection>();
  #lastHandle = 0;

  get size(): number {
    return this.#byHandle.size;
  }

  /** @throws RangeError after 4 billion sockets: the process has to be started anew */
  open(socket: Socket, identity: ConnectionIdentity): Connection {
    if (this.#lastHandle >= MAX_HANDLE) throw new RangeError('this process has used up its socket numbers');
    this.#lastHandle += 1;
    const connection = new Connection(this.#lastHandle, socket, identity);
    this.#byHandle.set(connection.handle, connection);
    return connection;
  }

  get(handle: number): Connection | undefined {
    return this.#byHandle.get(handle);
  }

  close(connection: Connection): void {
    connection.state = 'closed';
    this.#byHandle.delete(connection.handle);
  }

  all(): IterableIterator<Connection> {
    return this.#byHandle.values();
  }
}
