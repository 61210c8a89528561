import { isId } from '@godwit/ids/id';
import { parseConversation, peerOf, privateConversation } from '@godwit/ids/conversation';
import { RefusedError } from '@godwit/client/errors';
import { CliError, EXIT } from './exit.js';
import type { Session } from './session.js';

/** From what a person types to ids, and back to what a person reads. */
export class Names {
  readonly #session: Session;
  readonly #shown = new Map<string, string>();

  constructor(session: Session) {
    this.#session = session;
  }

  /** A user: an id, a user name with or without @, or a phone number. */
  async user(text: string): Promise<string> {
    const id: boolean = isId(text);
    if (id) return text;
    const by = text.startsWith('+')
      ? { case: 'phone' as const, value: text }
      : { case: 'userName' as const, value: text.replace(/^@/, '') };
    const { profile } = await this.#session.call('findUser', { by });
    if (profile === undefined) throw new CliError(EXIT.refused, `there is no user ${text}`);
    if (profile.userName !== '') this.#shown.set(profile.userId, profile.userName);
    return profile.userId;
  }

  /** A conversation: an id as it is, or a user for the private chat with them. */
  async conversation(text: string): Promise<string> {
    if (parseConversation(text) !== undefined) return text;
    const { userId } = await this.#session.profile();
    const other = await this.user(text);
    if (other === userId) throw new CliError(EXIT.usage, 'a chat with yourself is not possible');
    return privateConversation(userId, other);
  }

  async show(userId: string): Promise<string> {
    const known = this.#shown.get(userId);
    if (known !== undefined) return known;
    let name = `${userId.slice(0, 6)}…`;
    try {
      const { profile } = await this.#session.call('getProfile', { userId });
      name = profile?.userName || profile?.displayName || name;
    } catch (error) {
      // A user that has gone still has messages to show.
      if (!(error instanceof RefusedError)) throw error;
    }
    this.#shown.set(userId, name);
    return name;
  }

  /** A conversation's title: the other one's name, or the group's. */
  async title(conversationId: string): Promise<string> {
    const parsed = parseConversation(conversationId);
    const { userId } = await this.#session.profile();
    if (parsed?.kind === 'private') return this.show(peerOf(parsed, userId) ?? userId);
    const { group } = await this.#session.call('getGroup', { conversationId });
    return group?.name ?? conversationId;
  }
}
