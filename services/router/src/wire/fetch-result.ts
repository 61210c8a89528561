import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { Gone, type GoneReason } from '@godwit/proto/gen/grpc/godwit/message/v1/bodies';
import type { LogPage, StoredMessage } from '../domain/ports.js';

const writeDeliver = (writer: BinaryWriter, message: StoredMessage): void => {
  writer.uint32(10).string(message.conversationId);
  writer.uint32(16).uint64(message.seq);
  writer.uint32(24).uint64(message.serverTimeMs);
  writer.uint32(34).bytes(message.envelope);
};

/** Encodes a godwit.message.v1.FetchResult; the envelopes go in as the bytes they are. */
export const encodeFetchResult = (conversationId: string, page: LogPage): Buffer => {
  const writer = new BinaryWriter();
  writer.uint32(10).string(conversationId);
  for (const message of page.messages) {
    writer.uint32(18).fork();
    writeDeliver(writer, message);
    writer.join();
  }
  for (const { fromSeq, toSeq, reason } of page.gone) {
    Gone.encode({ conversationId, fromSeq, toSeq, reason: reason as GoneReason }, writer.uint32(26).fork()).join();
  }
  const numbers: readonly (readonly [tag: number, value: number])[] = [
    [32, page.floorSeq],
    [40, page.headSeq],
    [48, page.coveredFromSeq],
    [56, page.coveredToSeq],
  ];
  for (const [tag, value] of numbers) if (value !== 0) writer.uint32(tag).uint64(value);
  if (page.more) writer.uint32(64).bool(true);
  return Buffer.from(writer.finish());
};
