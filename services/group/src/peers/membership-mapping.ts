import {
  Permission as WirePermission,
  Role as WireRole,
  type GroupSettings as WireSettings,
  type Membership,
  type Membership_Member as WireMember,
} from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import {
  DEFAULT_SETTINGS,
  type Change,
  type GroupSettings,
  type Permission,
  type Role,
  type RoleHolder,
} from '../domain/conversation.js';

const ROLES = { member: WireRole.ROLE_MEMBER, admin: WireRole.ROLE_ADMIN, owner: WireRole.ROLE_OWNER } as const;
const PERMISSIONS = { everyone: WirePermission.PERMISSION_EVERYONE, admins: WirePermission.PERMISSION_ADMINS } as const;

export const toWireRole = (role: Role | undefined): WireRole =>
  role === undefined ? WireRole.ROLE_UNSPECIFIED : ROLES[role];

// A role of a later version of the protocol gives no rights here.
const fromWireRole = (role: WireRole): Role => {
  if (role === WireRole.ROLE_OWNER) return 'owner';
  return role === WireRole.ROLE_ADMIN ? 'admin' : 'member';
};

/** Undefined for PERMISSION_UNSPECIFIED and for what this version doesn't know. */
export const fromWirePermission = (permission: WirePermission): Permission | undefined => {
  if (permission === WirePermission.PERMISSION_EVERYONE) return 'everyone';
  return permission === WirePermission.PERMISSION_ADMINS ? 'admins' : undefined;
};

export const toWireSettings = ({ whoMaySend, whoMayAdd }: GroupSettings): WireSettings => ({
  whoMaySend: PERMISSIONS[whoMaySend],
  whoMayAdd: PERMISSIONS[whoMayAdd],
});

const fromWireSettings = (settings: WireSettings | undefined): GroupSettings => ({
  whoMaySend: (settings && fromWirePermission(settings.whoMaySend)) ?? DEFAULT_SETTINGS.whoMaySend,
  whoMayAdd: (settings && fromWirePermission(settings.whoMayAdd)) ?? DEFAULT_SETTINGS.whoMayAdd,
});

export const toWireMember = ({ userId, role }: RoleHolder): WireMember => ({ userId, role: toWireRole(role) });

const fromWireMember = ({ userId, role }: WireMember): RoleHolder => ({ userId, role: fromWireRole(role) });

export const toMembership = (change: Change, basedOn: number): Membership => {
  switch (change.kind) {
    case 'created': {
      const { members, name, pictureMediaId, settings } = change;
      const value = { members: members.map(toWireMember), name, pictureMediaId, settings: toWireSettings(settings) };
      return { basedOn, change: { $case: 'created', value } };
    }
    case 'added': {
      const value = { members: change.members.map(toWireMember), inviteId: change.inviteId };
      return { basedOn, change: { $case: 'added', value } };
    }
    case 'removed':
      return { basedOn, change: { $case: 'removed', value: { userIds: [...change.userIds] } } };
    case 'roles':
      return { basedOn, change: { $case: 'roles', value: { members: change.members.map(toWireMember) } } };
    case 'group': {
      const { name, pictureMediaId, settings } = change;
      return {
        basedOn,
        change: { $case: 'group', value: { name, pictureMediaId, settings: toWireSettings(settings) } },
      };
    }
  }
};

/** Undefined for a kind of change that this version does not know. */
export const toChange = ({ change }: Membership): Change | undefined => {
  switch (change?.$case) {
    case 'created': {
      const { members, name, pictureMediaId, settings } = change.value;
      return {
        kind: 'created',
        members: members.map(fromWireMember),
        name,
        pictureMediaId,
        settings: fromWireSettings(settings),
      };
    }
    case 'added':
      return { kind: 'added', members: change.value.members.map(fromWireMember), inviteId: change.value.inviteId };
    case 'removed':
      return { kind: 'removed', userIds: change.value.userIds };
    case 'roles':
      return { kind: 'roles', members: change.value.members.map(fromWireMember) };
    case 'group': {
      const { name, pictureMediaId, settings } = change.value;
      return { kind: 'group', name, pictureMediaId, settings: fromWireSettings(settings) };
    }
    case undefined:
      return undefined;
  }
};
