import { isConversationId } from '@godwit/ids/conversation';
import { isId } from '@godwit/ids/id';
import { peerIn, RECEIPT_MEMBERS } from './conversation.js';
import type { Conversations } from './conversations.js';
import type { CursorOrigin, Cursors } from './cursors.js';
import type { CursorRaise } from './ports.js';
import { invalid, notAMember, type Refusal } from './refusal.js';

export interface DeviceCursorsOptions {
  readonly conversations: Conversations;
  readonly cursors: Cursors;
  /** For conversations whose members hear of no receipts: nobody waits for these. */
  readonly crowdCursors: Cursors;
  readonly onRefused: (raise: CursorRaise, origin: CursorOrigin, refusal: Refusal) => void;
}

const isSeq = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

const checkRaise = ({ conversationId, userId, deviceId, deliveredSeq, readSeq }: CursorRaise): Refusal | undefined => {
  if (!isConversationId(conversationId)) return invalid('cursors.conversation_id', 'is not a conversation id');
  if (!isId(userId) || !isId(deviceId)) return invalid('cursors', 'are of nobody');
  return isSeq(deliveredSeq) && isSeq(readSeq) ? undefined : invalid('cursors.seq', 'is not a seq');
};

/** Acks and read marks of devices: only who is or was a member has a place in a conversation. */
export class DeviceCursors {
  readonly #options: DeviceCursorsOptions;

  constructor(options: DeviceCursorsOptions) {
    this.#options = options;
  }

  raise(raise: CursorRaise, origin: CursorOrigin): void {
    const { conversations, cursors, crowdCursors, onRefused } = this.#options;
    const refusal = checkRaise(raise);
    if (refusal !== undefined) {
      onRefused(raise, origin, refusal);
      return;
    }
    const { conversationId, userId } = raise;
    const isPrivate = conversationId.startsWith('p:');
    const view = isPrivate ? undefined : conversations.peek(conversationId);
    const isIn = isPrivate ? peerIn(conversationId, userId) !== undefined : view?.members.has(userId);
    const isCrowd = view !== undefined && view.memberCount > RECEIPT_MEMBERS;
    if (isIn === true) (isCrowd ? crowdCursors : cursors).raise(raise, origin);
    else if (isIn === false) onRefused(raise, origin, notAMember);
    else {
      conversations.get(conversationId).then(
        (loaded) => {
          if (loaded.found && loaded.view.members.has(userId)) cursors.raise(raise, origin);
          else onRefused(raise, origin, loaded.found ? notAMember : loaded.refusal);
        },
        () => {
          // The members can't be read now; the store refuses what is above the head, and a mark harms nobody.
          cursors.raise(raise, origin);
        },
      );
    }
  }
}
