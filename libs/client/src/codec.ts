import { fromBinary, fromJsonString, toBinary, toJsonString } from '@bufbuild/protobuf';
import {
  ClientFrameSchema,
  ServerFrameSchema,
  type ClientFrame,
  type ServerFrame,
} from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';

/** One of the two subprotocols. */
export interface Codec {
  readonly subprotocol: string;
  encode(frame: ClientFrame): string | Uint8Array;
  decode(data: string | Uint8Array): ServerFrame;
}

export const protoCodec: Codec = {
  subprotocol: 'godwit.v1.proto',
  encode: (frame) => toBinary(ClientFrameSchema, frame),
  decode: (data) => {
    if (typeof data === 'string') throw new TypeError('a text frame on the binary subprotocol');
    return fromBinary(ServerFrameSchema, data);
  },
};

export const jsonCodec: Codec = {
  subprotocol: 'godwit.v1.json',
  encode: (frame) => toJsonString(ClientFrameSchema, frame),
  decode: (data) => {
    if (typeof data !== 'string') throw new TypeError('a binary frame on the JSON subprotocol');
    // A newer server may say more than this client knows.
    return fromJsonString(ServerFrameSchema, data, { ignoreUnknownFields: true });
  },
};
