import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

// Acks and pings are most of what clients say, and decoding them as anything costs more than doing what they ask. What is
// exactly as every encoder writes them is read here; whatever is not goes the long way, which knows why it is wrong.

export interface QuickCursor {
  readonly conversationId: string;
  readonly seq: number;
}

export type QuickFrame =
  | { readonly kind: 'ping'; readonly requestId: number }
  | { readonly kind: 'ack'; readonly requestId: number; readonly cursors: readonly QuickCursor[] };

/** Field numbers of godwit.client.v1.ClientFrame and godwit.message.v1.Cursor; a test compares them with the generated code. */
const FRAME_REQUEST_ID = 1;
const FRAME_ACK = 6;
const FRAME_PING = 12;
const ACK_CURSORS = 1;
const CURSOR_CONVERSATION_ID = 1;
const CURSOR_SEQ = 2;
const PRINTABLE_ASCII = /^[ -~]*$/;

const tag = (field: number, type: WireType): number => (field << 3) | type;
const REQUEST_ID_TAG = tag(FRAME_REQUEST_ID, WireType.Varint);
const ACK_TAG = tag(FRAME_ACK, WireType.LengthDelimited);
const PING_TAG = tag(FRAME_PING, WireType.LengthDelimited);
const CURSORS_TAG = tag(ACK_CURSORS, WireType.LengthDelimited);
const CONVERSATION_TAG = tag(CURSOR_CONVERSATION_ID, WireType.LengthDelimited);
const SEQ_TAG = tag(CURSOR_SEQ, WireType.Varint);

/** An ack or a ping; undefined: something else, or not as expected. */
export const decodeQuickly = (data: Uint8Array): QuickFrame | undefined => {
  const first = data[0];
  if (first !== ACK_TAG && first !== PING_TAG && first !== REQUEST_ID_TAG) return undefined;
  try {
    return read(data);
  } catch {
    // Not protobuf: the strict decoder says so.
    return undefined;
  }
};

const read = (data: Uint8Array): QuickFrame | undefined => {
  const reader = new BinaryReader(data);
  let next = reader.uint32();
  let requestId = 0;
  if (next === REQUEST_ID_TAG) {
    requestId = reader.uint32();
    if (reader.pos >= reader.len) return undefined;
    next = reader.uint32();
  }
  if (next !== ACK_TAG && next !== PING_TAG) return undefined;
  const length = reader.uint32();
  if (reader.pos + length !== reader.len) return undefined;
  if (next === PING_TAG) return length === 0 ? { kind: 'ping', requestId } : undefined;
  const cursors: QuickCursor[] = [];
  while (reader.pos < reader.len) {
    const cursor = readCursor(reader, data);
    if (cursor === undefined) return undefined;
    cursors.push(cursor);
  }
  return { kind: 'ack', requestId, cursors };
};

const readCursor = (reader: BinaryReader, data: Uint8Array): QuickCursor | undefined => {
  if (reader.uint32() !== CURSORS_TAG) return undefined;
  const length = reader.uint32();
  const end = reader.pos + length;
  if (reader.uint32() !== CONVERSATION_TAG) return undefined;
  const idLength = reader.uint32();
  const idEnd = reader.pos + idLength;
  if (idEnd > end) return undefined;
  const conversationId = Buffer.from(data.buffer, data.byteOffset + reader.pos, idLength).toString('latin1');
  if (!PRINTABLE_ASCII.test(conversationId)) return undefined;
  reader.pos = idEnd;
  if (reader.uint32() !== SEQ_TAG) return undefined;
  const seq = Number(reader.uint64());
  return reader.pos === end && Number.isSafeInteger(seq) ? { conversationId, seq } : undefined;
};
