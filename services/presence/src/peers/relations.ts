import {
  Audience as AudienceMessage,
  type AccountServiceService,
  type Relation as RelationMessage,
} from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { NodePool } from '@godwit/rpc/node-pool';
import type { ReadRelations } from '../domain/ports.js';
import type { Audience, Relation } from '../domain/privacy.js';

const DEADLINE_MS = 1_500;

/** `account.GetRelations`: at most 500 at a time. */
export const createReadRelations =
  (account: NodePool<typeof AccountServiceService>): ReadRelations =>
  async (queries) => {
    const request = { queries: queries.map(({ subject, viewer }) => ({ ownerUserId: subject, otherUserId: viewer })) };
    const { relations } = await account.callAny('getRelations', request, { deadlineMs: DEADLINE_MS, idempotent: true });
    return relations.map(toRelation);
  };

const toRelation = ({ ownerExists, blocked, contact, privacy }: RelationMessage): Relation => ({
  exists: ownerExists,
  blocked,
  contact,
  online: toAudience(privacy?.online ?? 0),
  lastSeen: toAudience(privacy?.lastSeen ?? 0),
});

const toAudience = (audience: AudienceMessage): Audience => {
  switch (audience) {
    case AudienceMessage.AUDIENCE_UNSPECIFIED:
    case AudienceMessage.AUDIENCE_EVERYONE:
      return 'everyone';
    case AudienceMessage.AUDIENCE_CONTACTS:
      return 'contacts';
    case AudienceMessage.AUDIENCE_NOBODY:
    case AudienceMessage.UNRECOGNIZED:
      return 'nobody';
  }
};
