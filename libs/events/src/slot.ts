import { EVENT_SLOTS } from '@godwit/bus/subjects';
import type { Fact } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';
import { fnv1a } from '@godwit/runtime/fnv1a';

/** The part of EVENTS that a conversation's (or user's) facts are in. */
export const slotOf = (id: string): number => fnv1a(id) % EVENT_SLOTS;

/** By the conversation, or by the user where there is none. */
export const slotOfFact = ({ conversationId, userId }: Fact): number =>
  slotOf(conversationId === '' ? userId : conversationId);
