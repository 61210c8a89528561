import { createHash } from 'node:crypto';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { Metadata, Recipient, Sender, type Kind } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import type { SendCommand } from '../domain/content.js';
import type { EncodedMessage } from '../domain/ingress.js';

// Tags of godwit.message.v1.Envelope: field << 3 | 2 (length-delimited).
const FROM = 10;
const TO = 18;
const METADATA = 26;
const PAYLOAD = 34;

type Message = Omit<SendCommand, 'content' | 'retry'>;

/** What makes two messages the same whatever sent them, and whenever: kind and content. */
const contentOf = (message: Message): Uint8Array =>
  Metadata.encode({
    timestampMs: 0,
    kind: message.kind as Kind,
    targetSeq: message.targetSeq,
    mediaIds: [...message.mediaIds],
    expiresAtMs: message.expiresAtMs,
    clientMessageId: '',
  }).finish();

/**
 * Encodes the envelope that every layer and every device gets; the payload goes in as it came. The hash is SHA-256 over
 * the length of the encoded kind, target, media and expiry (32 bits, big endian), these, and the payload: the same for
 * every retry, whatever its timestamp.
 */
export const encodeMessage = (message: Message): EncodedMessage => {
  const metadata = Metadata.encode({
    timestampMs: message.timestampMs,
    kind: message.kind as Kind,
    targetSeq: message.targetSeq,
    mediaIds: [...message.mediaIds],
    expiresAtMs: message.expiresAtMs,
    clientMessageId: message.clientMessageId,
  }).finish();
  const writer = new BinaryWriter();
  Sender.encode({ userId: message.userId, deviceId: message.deviceId }, writer.uint32(FROM).fork()).join();
  Recipient.encode({ conversationId: message.conversationId }, writer.uint32(TO).fork()).join();
  writer.uint32(METADATA).bytes(metadata);
  writer.uint32(PAYLOAD).bytes(message.payload);
  const content = contentOf(message);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  const bodyHash = createHash('sha256').update(length).update(content).update(message.payload).digest();
  return { envelope: writer.finish(), bodyHash };
};
