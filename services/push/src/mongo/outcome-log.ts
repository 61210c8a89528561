import { Batcher } from '@godwit/runtime/batcher';
import type { Logger } from '@godwit/runtime/logger';
import type { AnyBulkWriteOperation, Collection, Db } from 'mongodb';
import type { Outcome } from '../domain/model.js';
import type { OutcomeLog } from '../domain/ports.js';
import { pushOutcomes, type OutcomeDocument } from './collections.js';

const KEPT_MS = 7 * 24 * 3_600_000;
const BATCH = 500;
const MAX_QUEUED = 20_000;

export interface RunningOutcomeLog extends OutcomeLog {
  /** Resolves when all is written. */
  drained(): Promise<void>;
}

// A wake that comes again writes over what became of it before.
const writeOf = (outcome: Outcome): AnyBulkWriteOperation<OutcomeDocument> => {
  const { userId, conversationId, deviceId, seq, provider = '', at } = outcome;
  return {
    updateOne: {
      filter: { userId, conversationId, deviceId, seq, provider },
      update: {
        $set: { at, outcome: outcome.outcome, detail: outcome.detail, purgeAt: new Date(at + KEPT_MS) },
      },
      upsert: true,
    },
  };
};

const write = async (collection: Collection<OutcomeDocument>, outcomes: readonly Outcome[]): Promise<void> => {
  await collection.bulkWrite(outcomes.map(writeOf), { ordered: false });
};

/** Outcomes, for operators who look for a push that did not come. Written behind, in batches. */
export const createOutcomeLog = (db: Db, logger: Logger): RunningOutcomeLog => {
  const collection = pushOutcomes.in(db);
  const batcher = new Batcher<Outcome>({
    name: 'push-outcomes',
    maxItems: BATCH,
    maxQueued: MAX_QUEUED,
    flush: (outcomes) => write(collection, outcomes),
    onError: (error, outcomes) => {
      logger.warn({ err: error, outcomes: outcomes.length }, 'outcomes of pushes were not kept');
    },
  });
  return {
    add: (outcomes) => {
      for (const outcome of outcomes) batcher.offer(outcome);
    },
    list: async (userId, count) => {
      const found = await collection.find({ userId }, { sort: { at: -1 }, limit: count }).toArray();
      return found.map(({ deviceId, conversationId, seq, at, provider, outcome, detail }) => ({
        userId,
        deviceId,
        conversationId,
        seq,
        at,
        provider: provider === '' ? undefined : provider,
        outcome,
        detail,
      }));
    },
    drained: () => batcher.drained(),
  };
};
