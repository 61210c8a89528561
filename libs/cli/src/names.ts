import { isId } from '@godwit/ids/id';
import { parseConversation, peerOf, privateConversation } from '@godwit/ids/conversation';
import { NoAnswerError, RefusedError } from '@godwit/client/errors';
import type { CallName, CallRequest, CallResponse } from '@godwit/client/calls';
import { CliError, EXIT } from './exit.js';
import { printableLine } from './terminal-text.js';

/** What names are looked up with: the session of a command. */
export interface Directory {
  profile(): Promise<{ readonly userId: string }>;
  call<N extends CallName>(name: N, request: CallRequest<N>): Promise<CallResponse<N>>;
}

type Listed = CallResponse<'listConversations'>['conversations'][number];

const USER_NAME = /^[a-z][a-z0-9_]{2,31}$/;

/** From what a person types to ids, and back to what a person reads. */
export class Names {
  readonly #directory: Directory;
  readonly #shown = new Map<string, Promise<string>>();

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  /** A user: an id, a user name with or without @, or a phone number. */
  async user(text: string): Promise<string> {
    const found = await this.#find(text);
    if (found === undefined) throw new CliError(EXIT.refused, `there is no user ${text}`);
    return found;
  }

  async #find(text: string): Promise<string | undefined> {
    // A type guard here would make the rest of the function believe that the text is none.
    const id: boolean = isId(text);
    if (id) return text;
    const userName = text.replace(/^@/, '').toLowerCase();
    const phone = text.startsWith('+');
    if (!phone && !USER_NAME.test(userName)) return undefined;
    const by = phone ? { case: 'phone' as const, value: text } : { case: 'userName' as const, value: userName };
    try {
      const { profile } = await this.#directory.call('findUser', { by });
      return profile?.userId;
    } catch (error) {
      if (error instanceof RefusedError && error.reason === 'USER_NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** A conversation: an id as it is, a user for the private chat with them, or the name of a group one is in. */
  async conversation(text: string): Promise<string> {
    if (parseConversation(text) !== undefined) return text;
    const other = await this.#find(text);
    if (other !== undefined) return this.#privateWith(other);
    const group = text.startsWith('@') || text.startsWith('+') ? undefined : await this.#groupNamed(text);
    if (group !== undefined) return group;
    throw new CliError(EXIT.refused, `there is no user ${text}, and you are in no group of that name`);
  }

  /** A group: its id, or its name. */
  async group(text: string): Promise<string> {
    if (parseConversation(text)?.kind === 'group') return text;
    const group = await this.#groupNamed(text);
    if (group === undefined) throw new CliError(EXIT.refused, `you are in no group named ${text}`);
    return group;
  }

  async #privateWith(other: string): Promise<string> {
    const { userId } = await this.#directory.profile();
    if (other === userId) throw new CliError(EXIT.usage, 'a chat with yourself is not possible');
    return privateConversation(userId, other);
  }

  async #groupNamed(name: string): Promise<string | undefined> {
    const wanted = name.trim().toLowerCase();
    const found = (await allConversations(this.#directory)).filter(
      ({ group }) => group !== undefined && group.name.trim().toLowerCase() === wanted,
    );
    if (found.length > 1) {
      const ids = found.map(({ conversationId }) => conversationId).join(', ');
      throw new CliError(EXIT.usage, `you are in ${String(found.length)} groups named ${name}: say which, ${ids}`);
    }
    return found[0]?.conversationId;
  }

  /** How a user is called here; short, in one line, never empty. */
  show(userId: string): Promise<string> {
    const known = this.#shown.get(userId);
    if (known !== undefined) return known;
    const name = this.#lookUp(userId);
    this.#shown.set(userId, name);
    return name;
  }

  async #lookUp(userId: string): Promise<string> {
    if (userId === (await this.#directory.profile()).userId) return 'you';
    const short = `${userId.slice(0, 6)}…`;
    try {
      const { profile } = await this.#directory.call('getProfile', { userId });
      return printableLine(profile?.userName || profile?.displayName || '') || short;
    } catch (error) {
      // A user that has gone still has messages to show, and a message is shown though no edge answers at the moment.
      if (error instanceof NoAnswerError) this.#shown.delete(userId);
      else if (!(error instanceof RefusedError)) throw error;
      return short;
    }
  }

  /** A conversation's title: the other one's name, or the group's. */
  async title(conversationId: string): Promise<string> {
    const parsed = parseConversation(conversationId);
    const { userId } = await this.#directory.profile();
    if (parsed?.kind === 'private') return this.show(peerOf(parsed, userId) ?? userId);
    const { group } = await this.#directory.call('getGroup', { conversationId });
    return printableLine(group?.name ?? '') || conversationId;
  }
}

/** Everything the user is in. */
export async function allConversations(directory: Directory): Promise<Listed[]> {
  const all: Listed[] = [];
  let pageToken = '';
  do {
    const page = await directory.call('listConversations', { pageSize: 500, pageToken });
    all.push(...page.conversations);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return all;
}
