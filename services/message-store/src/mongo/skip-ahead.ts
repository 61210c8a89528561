import { sleep } from '@godwit/runtime/backoff';
import type { Db } from 'mongodb';
import { conversations, messages, storeProcesses, storeRestores } from './collections.js';

// What is owed to devices after the log was restored from a backup: see docs/adr/0010-restored-logs-go-on-higher.md.

/** More than any conversation gets over the time since a backup, on average; a message-store appends 13,000 at most. */
const SEQS_A_SECOND = 1_000;
/** More than it gets at once, and than clocks differ by. */
const MARGIN_SEQS = 1_000_000;
/** A running store beats every second. */
const BEATS_MS = 3_000;
/** On a majority, however long that takes. */
const PATIENT = { writeConcern: { w: 'majority', journal: true } } as const;

export interface SkipAhead {
  /** The moment of the backup, or one before it. */
  readonly backupAt: Date;
  readonly now: Date;
}

export interface SkippedAhead {
  /** How many seqs each conversation has passed over. */
  readonly seqs: number;
  /** Those that did so by this call. */
  readonly conversations: number;
}

/** The seq above which conversations begin that the restored log does not know: 0 where none was ever restored. */
export const seqsPassedOver = async (db: Db): Promise<number> => {
  const restores = await storeRestores.in(db).find().toArray();
  return restores.reduce((sum, { seqs }) => sum + seqs, 0);
};

/**
 * Has every conversation of a restored log go on above all seqs that devices may have seen since the backup. Safe to
 * repeat: who has been moved for this backup is left alone. The connection must allow commands that take minutes.
 * @throws Error while a store runs: it remembers the heads from before
 */
export const skipAhead = async (db: Db, { backupAt, now }: SkipAhead): Promise<SkippedAhead> => {
  if (!(backupAt.getTime() <= now.getTime())) throw new RangeError('the backup is from the future');
  await requireNoStore(db);
  const seqs = await amountFor(db, { backupAt, now });
  await storeHeads(db);
  const { modifiedCount } = await conversations.in(db).updateMany(
    { headSeq: { $gt: 0 }, 'skipped.backupAt': { $ne: backupAt } },
    [
      {
        $set: {
          skipped: {
            $concatArrays: [
              { $ifNull: ['$skipped', []] },
              [{ fromSeq: { $add: ['$headSeq', 1] }, toSeq: { $add: ['$headSeq', seqs] }, backupAt }],
            ],
          },
          headSeq: { $add: ['$headSeq', seqs] },
          expiredSeq: { $add: ['$headSeq', seqs] },
          unreaped: true,
        },
      },
    ],
    PATIENT,
  );
  return { seqs, conversations: modifiedCount };
};

/**
 * Ends with an error while a message-store beats its row. The rows of those that ran when the backup was taken go: there
 * is nothing to take over, since every device syncs anew.
 * @throws Error
 */
export const requireNoStore = async (db: Db): Promise<void> => {
  const processes = storeProcesses.in(db);
  const before = await processes.find().toArray();
  if (before.length === 0) return;
  await sleep(BEATS_MS);
  const beats = new Map(before.map(({ _id, beat }) => [_id, beat]));
  const running = (await processes.find().toArray()).filter(({ _id, beat }) => beats.get(_id) !== beat);
  if (running.length > 0) {
    throw new Error(`these run, stop all services first: ${running.map(({ node }) => node).join(', ')}`);
  }
  await processes.deleteMany({});
};

/** How far: the longer ago, the further; so a second restore of the same backup also clears what came after the first. */
const amountFor = async (db: Db, { backupAt, now }: SkipAhead): Promise<number> => {
  const seqs = MARGIN_SEQS + Math.ceil(((now.getTime() - backupAt.getTime()) / 1_000) * SEQS_A_SECOND);
  await storeRestores.in(db).updateOne({ _id: backupAt }, { $setOnInsert: { seqs } }, { upsert: true });
  const stored = await storeRestores.in(db).findOne({ _id: backupAt });
  return stored?.seqs ?? seqs;
};

/** A record may be a second behind its log, or missing: the newest message tells. */
const storeHeads = async (db: Db): Promise<void> => {
  const newest = (field: string): object => ({ $first: `$${field}` });
  const raised = (field: string): object => ({ $max: [`$${field}`, `$$new.${field}`] });
  const fields = ['membershipVersion', 'serverTime'] as const;
  await messages
    .in(db)
    .aggregate(
      [
        { $sort: { conversationId: -1, seq: -1 } },
        { $group: { _id: '$conversationId', headSeq: newest('seq'), ...each(fields, newest) } },
        { $set: { conversationId: '$_id' } },
        { $unset: '_id' },
        {
          $merge: {
            into: conversations.name,
            on: 'conversationId',
            whenMatched: [{ $set: each(['headSeq', ...fields], raised) }],
          },
        },
      ],
      PATIENT,
    )
    .toArray();
};

const each = (fields: readonly string[], make: (field: string) => object): Record<string, object> =>
  Object.fromEntries(fields.map((field) => [field, make(field)]));
