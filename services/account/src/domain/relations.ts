import { MAX_BLOCKS, MAX_CONTACTS, type Contact, type Privacy } from './model.js';
import type { AccountFacts, BlockList, ContactBook, Pair, UserDirectory } from './ports.js';
import { invalid, Refusal, userNotFound } from './refusal.js';
import type { PageRequest } from './fields.js';

export interface RelationDeps {
  readonly users: UserDirectory;
  readonly contacts: ContactBook;
  readonly blocks: BlockList;
  readonly facts: AccountFacts;
}

export interface Relation {
  readonly blocked: boolean;
  readonly contact: boolean;
  readonly privacy: Privacy;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string;
}

const pairKey = ({ owner, other }: Pair): string => `${owner}:${other}`;

const full = (what: string, limit: number): Refusal =>
  new Refusal('precondition', 'LIMIT_REACHED', { message: `there can be at most ${String(limit)} ${what}` });

/** One more than the page is asked for: whether there is a next page. */
const pageOf = <T>(found: readonly T[], size: number, idOf: (item: T) => string): Page<T> => {
  const items = found.slice(0, size);
  const last = items.at(-1);
  return { items, next: found.length > size && last !== undefined ? idOf(last) : '' };
};

export const createRelations = ({ users, contacts, blocks, facts }: RelationDeps) => {
  const checkOther = async (userId: string, otherId: string): Promise<void> => {
    if (userId === otherId) throw invalid('user_id', 'must be another user');
    if ((await users.find(otherId)) === undefined) throw userNotFound('user_id');
  };

  const addContact = async (userId: string, contact: Contact): Promise<void> => {
    await checkOther(userId, contact.userId);
    if ((await contacts.count(userId, MAX_CONTACTS)) >= MAX_CONTACTS) throw full('contacts', MAX_CONTACTS);
    await contacts.put(userId, contact);
    facts.relationsChanged(userId, contact.userId);
  };

  const removeContact = async (userId: string, contactId: string): Promise<void> => {
    if (await contacts.remove(userId, contactId)) facts.relationsChanged(userId, contactId);
  };

  const listContacts = async (userId: string, { size, after }: PageRequest): Promise<Page<Contact>> =>
    pageOf(await contacts.list(userId, { size: size + 1, after }), size, (contact) => contact.userId);

  const block = async (userId: string, blockedId: string): Promise<void> => {
    await checkOther(userId, blockedId);
    if ((await blocks.count(userId, MAX_BLOCKS)) >= MAX_BLOCKS) throw full('blocked users', MAX_BLOCKS);
    await blocks.put(userId, blockedId);
    facts.relationsChanged(userId, blockedId);
  };

  const unblock = async (userId: string, blockedId: string): Promise<void> => {
    if (await blocks.remove(userId, blockedId)) facts.relationsChanged(userId, blockedId);
  };

  const listBlocks = async (userId: string, { size, after }: PageRequest): Promise<Page<string>> =>
    pageOf(await blocks.list(userId, { size: size + 1, after }), size, (id) => id);

  /** How each owner stands to the other; undefined: there is no such owner. In the order asked. */
  const between = async (pairs: readonly Pair[]): Promise<readonly (Relation | undefined)[]> => {
    const owners = [...new Set(pairs.map((pair) => pair.owner))];
    const others = [...new Set(pairs.map((pair) => pair.other))];
    const [found, blocked, known] = await Promise.all([
      users.findMany(owners),
      blocks.among(owners, others),
      contacts.among(owners, others),
    ]);
    const privacy = new Map(found.map((user) => [user.userId, user.privacy]));
    const blockedPairs = new Set(blocked.map(pairKey));
    const contactPairs = new Set(known.map(pairKey));
    return pairs.map((pair) => {
      const settings = privacy.get(pair.owner);
      if (settings === undefined) return undefined;
      return { privacy: settings, blocked: blockedPairs.has(pairKey(pair)), contact: contactPairs.has(pairKey(pair)) };
    });
  };

  return { addContact, removeContact, listContacts, block, unblock, listBlocks, between };
};

export type Relations = ReturnType<typeof createRelations>;
