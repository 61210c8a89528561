import { Permission, Role } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import type { GroupSettings, Membership } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import type { ConversationView, MembershipChange, NewMember, Role as DomainRole } from '../domain/conversation.js';

export const roleFrom = (role: Role): DomainRole => {
  if (role === Role.ROLE_OWNER) return 'owner';
  return role === Role.ROLE_ADMIN ? 'admin' : 'member';
};

export const whoMaySendFrom = (settings: GroupSettings | undefined): ConversationView['whoMaySend'] =>
  settings?.whoMaySend === Permission.PERMISSION_ADMINS ? 'admins' : 'everyone';

const membersFrom = (members: readonly { userId: string; role: Role }[]): NewMember[] =>
  members.map(({ userId, role }) => ({ userId, role: roleFrom(role) }));

export const changeFrom = ({ change }: Membership): MembershipChange => {
  switch (change?.$case) {
    case 'created':
      return {
        type: 'created',
        members: membersFrom(change.value.members),
        whoMaySend: whoMaySendFrom(change.value.settings),
      };
    case 'added':
      return { type: 'added', members: membersFrom(change.value.members) };
    case 'removed':
      return { type: 'removed', userIds: change.value.userIds };
    case 'roles':
      return { type: 'roles', members: membersFrom(change.value.members) };
    case 'group':
    case undefined:
      return { type: 'other' };
  }
};
