import { EVENT_SLOTS } from '@godwit/bus/subjects';
import type { Fact } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';

// FNV-1a, 32 bits.
const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;

/** The part of EVENTS that a conversation's (or user's) facts are in. Ids are ASCII. */
export const slotOf = (id: string): number => {
  let hash = OFFSET;
  for (let index = 0; index < id.length; index++) hash = Math.imul(hash ^ id.charCodeAt(index), PRIME);
  return (hash >>> 0) % EVENT_SLOTS;
};

/** By the conversation, or by the user where there is none. */
export const slotOfFact = ({ conversationId, userId }: Fact): number =>
  slotOf(conversationId === '' ? userId : conversationId);
