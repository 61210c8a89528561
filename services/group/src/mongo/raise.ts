import {
  MongoBulkWriteError,
  type AnyBulkWriteOperation,
  type Collection,
  type Document,
  type WriteError,
} from 'mongodb';

/** A document that is a function of the log up to `version`: of two versions the higher is right. */
export interface Raise {
  /** The unique key, which includes the shard key. */
  readonly key: Readonly<Record<string, string>>;
  /** The field that `version` stands in. */
  readonly versionField: string;
  readonly version: number;
  readonly set: Document;
  /** Fields that the log says nothing of, for a new document. */
  readonly initially?: Document;
}

const DUPLICATE_KEY = 11_000;
/** Operations of one bulk write: some 300 KB. */
const CHUNK = 1_000;

/** Writes each document unless what is stored is as new. Any number of processes may do so at a time, in any order. */
export const raiseAll = async <T extends Document>(
  collection: Collection<T>,
  raises: readonly Raise[],
): Promise<void> => {
  for (let start = 0; start < raises.length; start += CHUNK) {
    await raiseChunk(collection, raises.slice(start, start + CHUNK));
  }
};

const raiseChunk = async <T extends Document>(collection: Collection<T>, raises: readonly Raise[]): Promise<void> => {
  const existing = await write(collection, raises, true);
  // The document is there by now: as new as ours, or made by another process a moment ago and older.
  if (existing.length > 0) await write(collection, existing, false);
};

/** Returns what an upsert could not insert. */
const write = async <T extends Document>(
  collection: Collection<T>,
  raises: readonly Raise[],
  upsert: boolean,
): Promise<readonly Raise[]> => {
  const operations = raises.map((raise) => operation(raise, upsert) as AnyBulkWriteOperation<T>);
  try {
    await collection.bulkWrite(operations, { ordered: false });
    return [];
  } catch (error) {
    const failures = error instanceof MongoBulkWriteError ? writeErrorsOf(error) : [];
    const isAllDuplicates = failures.length > 0 && failures.every(({ code }) => code === DUPLICATE_KEY);
    const isAcknowledged = error instanceof MongoBulkWriteError && error.result.getWriteConcernError() === undefined;
    if (!upsert || !isAllDuplicates || !isAcknowledged) throw error;
    return failures.flatMap(({ index }) => raises[index] ?? []);
  }
};

const writeErrorsOf = ({ writeErrors }: MongoBulkWriteError): readonly WriteError[] => [writeErrors].flat();

const operation = ({ key, versionField, version, set, initially }: Raise, upsert: boolean): Document => ({
  updateOne: {
    filter: { ...key, [versionField]: { $lt: version } },
    update: {
      $set: { ...set, [versionField]: version },
      ...(upsert && initially !== undefined ? { $setOnInsert: initially } : {}),
    },
    upsert,
  },
});
