import { fromBinary, toJsonString } from '@bufbuild/protobuf';
import { WireType, type BinaryWriter } from '@bufbuild/protobuf/wire';
import { ServerFrameSchema } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import { ServerFrame } from '@godwit/proto/gen/grpc/godwit/client/v1/frames';
import { encoded } from '@godwit/proto/kept-writer';
import type { OutboundFrame } from '../domain/outbound-frame.js';

export type ServerBody = NonNullable<ServerFrame['body']>;

// Field numbers of godwit.client.v1.ServerFrame and godwit.message.v1.Deliver: these frames are put together around bytes
// that are passed on as they came. A test compares them with the generated code.
const FRAME_REQUEST_ID = 1;
const FRAME_DELIVER = 6;
const FRAME_FETCH_RESULT = 14;
const FRAME_CALL_RESULT = 15;
const DELIVER_CONVERSATION_ID = 1;
const DELIVER_SEQ = 2;
const DELIVER_SERVER_TIME = 3;
const DELIVER_ENVELOPE = 4;
const DELIVER_TRACEPARENT = 5;

class EncodedFrame implements OutboundFrame {
  readonly #bytes: Uint8Array;
  #text: string | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  binary(): Uint8Array {
    return this.#bytes;
  }

  // JSON is for consoles and quick bots: derived, so that there is one encoder for both.
  text(): string {
    this.#text ??= toJsonString(ServerFrameSchema, fromBinary(ServerFrameSchema, this.#bytes));
    return this.#text;
  }
}

export const serverFrame = (body: ServerBody, requestId = 0): OutboundFrame =>
  new EncodedFrame(encoded((writer) => ServerFrame.encode({ requestId, body }, writer)));

const tag = (field: number, type: WireType): number => ((field << 3) | type) >>> 0;

export interface RawDelivery {
  readonly conversationId: string;
  readonly seq: number;
  readonly serverTimeMs: number;
  /** An encoded Envelope. */
  readonly envelope: Uint8Array;
}

/** `deliver`, around the envelope's bytes as the router encoded them. */
export const deliverFrame = (
  { conversationId, seq, serverTimeMs, envelope }: RawDelivery,
  traceparent = '',
): OutboundFrame =>
  frameOf((writer) => {
    const deliver = writer.uint32(tag(FRAME_DELIVER, WireType.LengthDelimited)).fork();
    deliver.uint32(tag(DELIVER_CONVERSATION_ID, WireType.LengthDelimited)).string(conversationId);
    if (seq !== 0) deliver.uint32(tag(DELIVER_SEQ, WireType.Varint)).uint64(seq);
    if (serverTimeMs !== 0) deliver.uint32(tag(DELIVER_SERVER_TIME, WireType.Varint)).uint64(serverTimeMs);
    deliver.uint32(tag(DELIVER_ENVELOPE, WireType.LengthDelimited)).bytes(envelope);
    if (traceparent !== '') deliver.uint32(tag(DELIVER_TRACEPARENT, WireType.LengthDelimited)).string(traceparent);
    deliver.join();
  });

/** `fetch_result`, around the encoded result of the router. */
export const fetchResultFrame = (result: Uint8Array, requestId: number): OutboundFrame =>
  frameOf((writer) => writer.uint32(tag(FRAME_FETCH_RESULT, WireType.LengthDelimited)).bytes(result), requestId);

/** `call_result`, around the encoded response of the service; `member` is the call's field number in CallResult. */
export const callResultFrame = (member: number, response: Uint8Array, requestId: number): OutboundFrame =>
  frameOf((writer) => {
    const result = writer.uint32(tag(FRAME_CALL_RESULT, WireType.LengthDelimited)).fork();
    result.uint32(tag(member, WireType.LengthDelimited)).bytes(response).join();
  }, requestId);

const frameOf = (writeBody: (writer: BinaryWriter) => void, requestId = 0): OutboundFrame =>
  new EncodedFrame(
    encoded((writer) => {
      if (requestId !== 0) writer.uint32(tag(FRAME_REQUEST_ID, WireType.Varint)).uint32(requestId);
      writeBody(writer);
    }),
  );
