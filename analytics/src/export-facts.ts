import type { Bus } from '@godwit/bus/bus';
import { EVENTS } from '@godwit/bus/streams';
import type { Logger } from '@godwit/runtime/logger';
import { Chunks } from './chunks.js';
import { addChunk, lastSeqIn } from './fact-files.js';

export interface ExportOptions {
  readonly bus: Pick<Bus, 'readBack' | 'streamState'>;
  /** The folder of the files. */
  readonly dir: string;
  /** Of the pseudonyms. */
  readonly key: string;
  readonly logger: Logger;
}

/** What one file has at most, and so what is in memory: some 80,000 facts. */
const BOUND = { records: 10_000, bytes: 8 * 1024 * 1024, timeMs: 10_000 } as const;

/**
 * Writes the facts that EVENTS has and the files have not, as far as one file goes; true: that was all. Where it goes on
 * from is what the files say, so that it may be killed at any time.
 * @throws BusUnavailable
 */
export const exportFacts = async ({ bus, dir, key, logger }: ExportOptions): Promise<boolean> => {
  const { madeAt: streamMadeAt, lastSeq } = await bus.streamState(EVENTS);
  const fromSeq = (await lastSeqIn(dir, streamMadeAt)) + 1;
  if (fromSeq > lastSeq + 1) {
    logger.warn({ fromSeq, lastSeq }, 'EVENTS has lost its end: facts are missing until it is as long as it was');
  }
  const chunks = new Chunks({ streamMadeAt, fromSeq, key });
  let missing = 0;
  let next = fromSeq;
  const { complete } = await bus.readBack({
    stream: EVENTS,
    from: { seq: fromSeq },
    bound: BOUND,
    onRecord: (record) => {
      missing += record.seq - next;
      next = record.seq + 1;
      chunks.add(record);
    },
  });
  const { unreadable } = chunks;
  if (missing > 0 || unreadable > 0) {
    logger.warn({ missing, unreadable }, 'records were gone before they were read, or could not be read');
  }
  for (const chunk of chunks.all()) {
    const { rows, day, lastSeq: upTo } = chunk;
    if (!(await addChunk(dir, chunk))) return false;
    logger.info({ day, fromSeq: chunk.fromSeq, lastSeq: upTo, facts: rows.length }, 'facts are written');
  }
  return complete;
};
