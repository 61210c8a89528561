import { newId } from '@godwit/ids/id';
import { parseConversation } from '@godwit/ids/conversation';
import { Payload, Role } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import type { ConversationView } from '../../src/domain/conversation.js';
import { KIND } from '../../src/domain/kind.js';
import type { MembershipChanges } from '../../src/domain/membership-changes.js';
import type {
  ConversationSource,
  LoadedConversation,
  LoadOptions,
  PageOf,
  UserConversation,
  UserConversationsPage,
} from '../../src/domain/ports.js';
import { conversationNotFound } from '../../src/domain/refusal.js';
import { encodeMessage } from '../../src/wire/envelope.js';

/** `group` as far as these tests need it: conversations begin in the real log, and nobody comes or goes. */
export class LogConversations implements ConversationSource {
  append: MembershipChanges | undefined;
  readonly #views = new Map<string, ConversationView>();

  async begin(conversationId: string, userIds: readonly string[]): Promise<ConversationView> {
    const members = userIds.map((userId) => ({ userId, role: Role.ROLE_MEMBER }));
    const value = { members, name: '', pictureMediaId: '', settings: undefined };
    const membership = { basedOn: 0, change: { $case: 'created', value } } as const;
    const payload = Payload.encode({ content: { $case: 'membership', value: membership } }).finish();
    const common = { conversationId, clientMessageId: 'created' };
    const meta = { kind: KIND.membership, targetSeq: 0, mediaIds: [], expiresAtMs: 0, timestampMs: 1 };
    const outcome = await this.append?.append({
      ...common,
      actorUserId: userIds[0] ?? newId(),
      actorDeviceId: '',
      basedOn: 0,
      change: { type: 'other' },
      traceparent: '',
      encoded: encodeMessage({ ...common, ...meta, userId: userIds[0] ?? '', deviceId: '', payload }),
    });
    if (outcome?.type !== 'appended') throw new Error(`could not begin: ${JSON.stringify(outcome)}`);
    const view: ConversationView = {
      conversationId,
      version: 1,
      whoMaySend: 'everyone',
      members: new Map(
        userIds.map((userId) => [userId, { role: 'member', intervals: [{ from: 1, to: Infinity }], mutedUntilMs: 0 }]),
      ),
      memberCount: userIds.length,
    };
    this.#views.set(conversationId, view);
    return view;
  }

  async load(conversationId: string, { create }: LoadOptions): Promise<LoadedConversation> {
    const known = this.#views.get(conversationId);
    if (known !== undefined) return { found: true, view: known };
    const parsed = parseConversation(conversationId);
    if (parsed?.kind !== 'private' || !create) return { found: false, refusal: conversationNotFound };
    return { found: true, view: await this.begin(conversationId, parsed.users) };
  }

  ofUser({ userId }: PageOf): Promise<UserConversationsPage> {
    const conversations = [...this.#views.values()].flatMap(({ conversationId, members, memberCount, version }) => {
      const intervals = members.get(userId)?.intervals;
      return intervals === undefined ? [] : [{ conversationId, intervals, memberCount, version }];
    });
    return Promise.resolve({ conversations, nextPageToken: '' });
  }

  ofUsers(): Promise<ReadonlyMap<string, readonly UserConversation[]>> {
    return Promise.resolve(new Map());
  }
}
