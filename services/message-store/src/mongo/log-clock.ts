import { Timestamp, type ClientSession, type MongoClient } from 'mongodb';
import type { LogTime } from '../domain/lease.js';

/** The highest operation time that answers of the primary have told. */
export class LogClock {
  readonly #client: MongoClient;
  #seen: LogTime = 0n;

  constructor(client: MongoClient) {
    this.#client = client;
  }

  get seen(): LogTime {
    return this.#seen;
  }

  /** Runs an operation and notes the operation time of its answer. */
  async noting<T>(operation: (session: ClientSession) => Promise<T>): Promise<T> {
    const session = this.#client.startSession();
    try {
      return await operation(session);
    } finally {
      if (session.operationTime !== undefined) {
        const time = toLogTime(session.operationTime);
        if (time > this.#seen) this.#seen = time;
      }
      await session.endSession();
    }
  }
}

export const toLogTime = ({ t, i }: Timestamp): LogTime => (BigInt(t) << 32n) | BigInt(i);

export const toTimestamp = (time: LogTime): Timestamp =>
  new Timestamp({ t: Number(time >> 32n), i: Number(time & 0xffff_ffffn) });
