import { Payload } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import type { Content } from '../domain/content.js';

/** What a payload holds; undefined when it is empty or no payload at all. */
export const decodePayload = (bytes: Uint8Array): Content | undefined => {
  try {
    return Payload.decode(bytes).content;
  } catch {
    // Whatever it is, it is refused as a payload that doesn't fit its kind.
    return undefined;
  }
};
