import type { Clock } from '@godwit/runtime/clock';
import { ConversationChanges } from './change-conversation.js';
import { ConversationDirectory } from './conversation-directory.js';
import type {
  Invites,
  MembershipFacts,
  MembershipLog,
  Mutes,
  Observations,
  Projections,
  UserConversations,
  Users,
} from './ports.js';

export interface GroupPorts {
  readonly projections: Projections;
  readonly userConversations: UserConversations;
  readonly mutes: Mutes;
  readonly invites: Invites;
  readonly log: MembershipLog;
  readonly users: Users;
  readonly facts: MembershipFacts;
  readonly clock: Clock;
  readonly observations: Observations;
}

export interface GroupLimits {
  /** Members a group has at most. */
  readonly maxMembers: number;
  /** Member rows kept in memory, over all conversations. */
  readonly maxCachedMembers: number;
}

/** What the use cases are done with. */
export interface GroupDeps extends GroupPorts, GroupLimits {
  readonly directory: ConversationDirectory;
  readonly changes: ConversationChanges;
}

export const createGroupDeps = (ports: GroupPorts, limits: GroupLimits): GroupDeps => {
  const directory = new ConversationDirectory({ ...ports, maxCachedMembers: limits.maxCachedMembers });
  const changes = new ConversationChanges({ ...ports, directory });
  return { ...ports, ...limits, directory, changes };
};
