import type { Clock } from '@godwit/runtime/clock';
import type { ConversationDirectory } from './conversation-directory.js';
import { requireActive } from './conversation-views.js';
import type { Mutes } from './ports.js';
import { notAMember } from './refusal.js';

export interface MuteOptions {
  readonly directory: ConversationDirectory;
  readonly mutes: Mutes;
  readonly clock: Clock;
}

export interface Muting {
  readonly conversationId: string;
  readonly userId: string;
  /** ms since 1970; a time that has passed ends the muting. */
  readonly until: number;
}

/** No push for this user from this conversation until then. Not a message: nobody else is to know. */
export const muteConversation = async (
  options: MuteOptions,
  { conversationId, userId, until }: Muting,
): Promise<void> => {
  requireActive(await options.directory.load(conversationId), userId);
  const effective = until > options.clock.now() ? until : 0;
  if (!(await options.mutes.set({ conversationId, userId, until: effective }))) throw notAMember();
};
