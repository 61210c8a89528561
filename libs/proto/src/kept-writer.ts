import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** A larger buffer is not kept. */
const MAX_KEPT = 64 * 1024;

let kept = new BinaryWriter();

/**
 * Encodes with a writer that keeps its buffer: a new one grows from nothing for each message, which costs more than what is
 * written. Not to be called from within `write`.
 */
export const encoded = (write: (writer: BinaryWriter) => void): Uint8Array => {
  const writer = kept;
  let bytes: Uint8Array | undefined;
  try {
    write(writer);
    bytes = writer.finish();
    return bytes;
  } finally {
    // What threw has left its half in there.
    if (bytes === undefined || bytes.length > MAX_KEPT) kept = new BinaryWriter();
  }
};
