import type { Collection, Db } from 'mongodb';
import type { LogTime } from '../domain/lease.js';
import type { Claim, ProcessStore } from '../domain/process-store.js';
import type { ProcessRow } from '../domain/process-watch.js';
import { storeProcesses, type StoreProcessDocument } from './collections.js';
import { toLogTime, toTimestamp, type LogClock } from './log-clock.js';

const TIMEOUT_MS = 2_500;

export class MongoProcesses implements ProcessStore {
  readonly #processes: Collection<StoreProcessDocument>;
  readonly #clock: LogClock;

  constructor(db: Db, clock: LogClock) {
    this.#processes = storeProcesses.in(db);
    this.#clock = clock;
  }

  async register({ incarnation, node }: { incarnation: string; node: string }): Promise<void> {
    // The answer of a read tells the moment before anything of this process is appended.
    await this.#clock.noting((session) => this.#processes.findOne({ _id: incarnation }, { session }));
    const confirmedAt = toTimestamp(this.#clock.seen);
    await this.#clock.noting((session) =>
      this.#processes.updateOne(
        { _id: incarnation },
        { $setOnInsert: { node, beat: 1, claimBeat: 0, confirmedAt }, $currentDate: { heartbeat: true } },
        { session, upsert: true },
      ),
    );
  }

  async beat(incarnation: string, confirmedAt: LogTime): Promise<boolean> {
    const { matchedCount } = await this.#clock.noting((session) =>
      this.#processes.updateOne(
        { _id: incarnation, claimedBy: { $exists: false } },
        {
          $inc: { beat: 1 },
          $max: { confirmedAt: toTimestamp(confirmedAt) },
          $currentDate: { heartbeat: true },
        },
        { session, maxTimeMS: TIMEOUT_MS },
      ),
    );
    return matchedCount === 1;
  }

  async rows(): Promise<readonly ProcessRow[]> {
    const found = await this.#processes.find({}, { maxTimeMS: TIMEOUT_MS }).toArray();
    return found.map(({ _id, node, beat, claimedBy, claimBeat }) => ({
      incarnation: _id,
      node,
      beat,
      claimedBy,
      claimBeat,
    }));
  }

  async claim(row: ProcessRow, by: string): Promise<Claim | undefined> {
    const claimed = await this.#processes.findOneAndUpdate(
      {
        _id: row.incarnation,
        beat: row.beat,
        claimBeat: row.claimBeat,
        claimedBy: row.claimedBy ?? { $exists: false },
      },
      { $set: { claimedBy: by }, $inc: { claimBeat: 1 }, $currentDate: { claimedAt: true } },
      { returnDocument: 'after', maxTimeMS: TIMEOUT_MS },
    );
    return claimed === null ? undefined : { confirmedAt: toLogTime(claimed.confirmedAt) };
  }

  async beatClaim(incarnation: string, by: string): Promise<boolean> {
    const { matchedCount } = await this.#processes.updateOne(
      { _id: incarnation, claimedBy: by },
      { $inc: { claimBeat: 1 } },
      { maxTimeMS: TIMEOUT_MS },
    );
    return matchedCount === 1;
  }

  async remove(incarnation: string): Promise<void> {
    await this.#processes.deleteOne({ _id: incarnation }, { maxTimeMS: TIMEOUT_MS });
  }
}
