import { isDuplicateKey } from '@godwit/mongo/errors';
import { MongoBulkWriteError, type Collection, type Document, type OptionalUnlessRequiredId } from 'mongodb';

/** Documents of one bulk write: keeps each well under the server's limits and the time it holds a connection short. */
const BULK = 2_000;

/** Inserts those that are not there yet; true when every one was new. */
export const insertMissing = async <T extends Document>(
  collection: Collection<T>,
  documents: readonly OptionalUnlessRequiredId<T>[],
): Promise<boolean> => {
  let allNew = true;
  for (let start = 0; start < documents.length; start += BULK) {
    try {
      await collection.insertMany(documents.slice(start, start + BULK), { ordered: false });
    } catch (error) {
      if (!onlyDuplicates(error)) throw error;
      allNew = false;
    }
  }
  return allNew;
};

const onlyDuplicates = (error: unknown): boolean =>
  isDuplicateKey(error) &&
  (!(error instanceof MongoBulkWriteError) ||
    ([error.writeErrors].flat().every(({ code }) => code === 11_000) &&
      error.result.getWriteConcernError() === undefined));
