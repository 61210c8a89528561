import { newId } from '@godwit/ids/id';
import { MongoServerError, type ChangeStream, type Db, type Document } from 'mongodb';
import type { LogTime } from '../domain/lease.js';
import type { MessagePlace } from '../domain/message.js';
import { HistoryLost, type AppendHistory, type HistoryEnd } from '../domain/process-store.js';
import { messages, storeProcesses } from './collections.js';
import { toTimestamp } from './log-clock.js';

const MAX_AWAIT_MS = 250;
const BATCH = 1_000;
const CHANGE_STREAM_HISTORY_LOST = 286;

interface SeenChange extends Document {
  readonly _id: unknown;
  readonly operationType: string;
  readonly fullDocument?: MessagePlace;
}

/** Reads a process's inserts back from the oplog, through a change stream that starts in the past. */
export class OplogHistory implements AppendHistory {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  async *insertsOf(
    incarnation: string,
    since: LogTime,
    { graceMs, signal }: HistoryEnd,
  ): AsyncIterable<readonly MessagePlace[]> {
    // A claimer before this one may have left a fence of its own.
    const fence = newId();
    const stream = this.#open(incarnation, { since, fence });
    const fenceAt = performance.now() + graceMs;
    let fenced = false;
    try {
      for (let ended = false; !ended && !signal.aborted;) {
        if (!fenced && performance.now() >= fenceAt) {
          await storeProcesses.in(this.#db).updateOne({ _id: incarnation }, { $set: { fence } });
          fenced = true;
        }
        const places: MessagePlace[] = [];
        ended = await collect(stream, places);
        if (places.length > 0) yield places;
      }
    } catch (error) {
      if (error instanceof MongoServerError && error.code === CHANGE_STREAM_HISTORY_LOST) {
        throw new HistoryLost('the oplog does not reach back to what a dead process left unconfirmed', {
          cause: error,
        });
      }
      throw error;
    } finally {
      await stream.close();
    }
  }

  /** On the database, so that a write beside the messages marks the end of what is to be read. */
  #open(
    incarnation: string,
    { since, fence }: { since: LogTime; fence: string },
  ): ChangeStream<SeenChange, SeenChange> {
    return this.#db.watch<SeenChange, SeenChange>(
      [
        {
          $match: {
            $or: [
              { operationType: 'insert', 'ns.coll': messages.name, 'fullDocument.by': incarnation },
              {
                operationType: 'update',
                'ns.coll': storeProcesses.name,
                'documentKey._id': incarnation,
                'updateDescription.updatedFields.fence': fence,
              },
            ],
          },
        },
        { $project: { operationType: 1, 'fullDocument.conversationId': 1, 'fullDocument.seq': 1 } },
      ],
      { startAtOperationTime: toTimestamp(since), maxAwaitTimeMS: MAX_AWAIT_MS, batchSize: BATCH },
    );
  }
}

/** What is there now, at most a batch; true when the fence was among it. */
const collect = async (stream: ChangeStream<SeenChange, SeenChange>, places: MessagePlace[]): Promise<boolean> => {
  while (places.length < BATCH) {
    const change = await stream.tryNext();
    if (change === null) return false;
    if (change.operationType === 'update') return true;
    const { fullDocument } = change;
    if (fullDocument !== undefined) places.push(fullDocument);
  }
  return false;
};
