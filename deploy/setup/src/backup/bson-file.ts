import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

// Documents one after the other, as mongodump writes them: each begins with its own length.

const LENGTH_BYTES = 4;
const SMALLEST = 5;
/** MongoDB has documents of 16 MiB at most. */
const LARGEST = 16 * 1_048_576 + 16_384;

/** Writes a new file; it is on disk when this resolves. @returns how many documents */
export const writeBsonFile = async (path: string, documents: AsyncIterable<Uint8Array>): Promise<number> => {
  let count = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const document of documents) {
      count++;
      yield document;
    }
  };
  await pipeline(counted, createWriteStream(path, { flags: 'wx', flush: true }));
  return count;
};

/** @throws RangeError for a file that is cut off or none of these */
export async function* readBsonFile(path: string): AsyncGenerator<Uint8Array> {
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1_048_576 })) {
    let buffer = Buffer.concat([rest, chunk as Buffer]);
    while (buffer.length >= LENGTH_BYTES) {
      const length = buffer.readInt32LE(0);
      if (length < SMALLEST || length > LARGEST) throw new RangeError(`${path} is no file of BSON documents`);
      if (buffer.length < length) break;
      yield buffer.subarray(0, length);
      buffer = buffer.subarray(length);
    }
    rest = buffer;
  }
  if (rest.length > 0) throw new RangeError(`${path} is cut off`);
}
