import { parseConversation } from '@godwit/ids/conversation';
import type { Conversation, ConversationDirectory } from './conversation-directory.js';
import { requireConversation } from './conversation-views.js';
import { createPrivate, type CreateOptions } from './create-conversation.js';

export interface ConversationWanted {
  readonly conversationId: string;
  /** The log is known to be at least here; 0: look what other replicas have made of it. */
  readonly minVersion: number;
  readonly createPrivate: boolean;
  /** Who is about to write, where that is known. */
  readonly actingUser?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type FindOptions = CreateOptions & { readonly directory: ConversationDirectory };

/**
 * The conversation for the fleet; a private one is made on the way if that is wanted.
 * @throws Refusal CONVERSATION_NOT_FOUND
 */
export const findConversation = async (options: FindOptions, wanted: ConversationWanted): Promise<Conversation> => {
  const { directory } = options;
  const { conversationId, minVersion } = wanted;
  const parsed = parseConversation(conversationId);
  const load = { minVersion, maybeOld: minVersion > 0 };
  if (!wanted.createPrivate || parsed?.kind !== 'private') {
    return requireConversation(await directory.load(conversationId, load));
  }
  const known = await directory.load(conversationId, { ...load, storedOnly: true });
  if (known.version > 0) return known;
  const { actingUser, signal } = wanted;
  return createPrivate(options, { conversationId, pair: parsed.users, actingUser, signal });
};
