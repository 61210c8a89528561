import type { Command } from 'commander';
import { Permission } from '@godwit/proto/gen/client/godwit/message/v1/envelope_pb';
import { newId } from '@godwit/ids/id';
import { CliError, EXIT } from '../exit.js';
import { Names } from '../names.js';
import { dateTime, table } from '../output.js';
import { roleName } from '../render.js';
import type { Session } from '../session.js';

type WithSession = (command: Command) => Session;

export function addGroupCommands(program: Command, session: WithSession): void {
  const group = program.command('group').description('groups: create, list, members, roles, invites');

  group
    .command('create <name> [members...]')
    .description('create a group with you as its owner')
    .action(async (name: string, members: string[], _options: unknown, self: Command) => {
      const s = session(self);
      const names = new Names(s);
      const memberUserIds = await Promise.all(members.map((member) => names.user(member)));
      const { group: made } = await s.call('createGroup', { clientRequestId: newId(), name, memberUserIds });
      s.output.result(made, `${made?.conversationId ?? ''}  ${name}, ${String(made?.memberCount ?? 0)} members`);
    });

  group
    .command('list')
    .description('what you are in')
    .action(async (_options: unknown, self: Command) => {
      await listConversations(session(self));
    });

  group
    .command('members <group>')
    .description('its members')
    .action(async (conversationId: string, _options: unknown, self: Command) => {
      const s = session(self);
      const names = new Names(s);
      const all = [];
      let pageToken = '';
      do {
        const page = await s.call('listMembers', { conversationId, pageSize: 500, pageToken });
        all.push(...page.members);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      const rows = await Promise.all(
        all.map(async ({ userId, role }) => [s.output.json ? '' : await names.show(userId), roleName(role), userId]),
      );
      s.output.result(all, table(rows));
    });

  group
    .command('update <group>')
    .description('rename, or set who may send and add (admins)')
    .option('--name <name>')
    .option('--send <who>', 'everyone or admins')
    .option('--add <who>', 'everyone or admins')
    .action(async (conversationId: string, options: { name?: string; send?: string; add?: string }, self: Command) => {
      const s = session(self);
      const settings = { whoMaySend: permission(options.send), whoMayAdd: permission(options.add) };
      const { group: now } = await s.call('updateGroup', {
        conversationId,
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.send === undefined && options.add === undefined ? {} : { settings }),
      });
      s.output.result(now, `${now?.name ?? ''}: changed`);
    });

  addMemberCommands(group, session);
  addInviteCommands(group, session);
}

function addMemberCommands(group: Command, session: WithSession): void {
  group
    .command('add <group> <users...>')
    .description('add members')
    .action(async (conversationId: string, users: string[], _options: unknown, self: Command) => {
      const s = session(self);
      const names = new Names(s);
      const userIds = await Promise.all(users.map((user) => names.user(user)));
      const added = await s.call('addMembers', { conversationId, userIds });
      const refused = added.refusedUserIds.length;
      s.output.result(
        added,
        `${String(added.addedUserIds.length)} added${refused > 0 ? `, ${String(refused)} could not be` : ''}`,
      );
    });
  group
    .command('remove <group> <users...>')
    .description('remove members (admins)')
    .action(async (conversationId: string, users: string[], _options: unknown, self: Command) => {
      const s = session(self);
      const names = new Names(s);
      const userIds = await Promise.all(users.map((user) => names.user(user)));
      const removed = await s.call('removeMembers', { conversationId, userIds });
      s.output.result(removed, `${String(removed.removedUserIds.length)} removed`);
    });
  group
    .command('leave <group>')
    .description('leave it')
    .action(async (conversationId: string, _options: unknown, self: Command) => {
      const s = session(self);
      s.output.result(await s.call('leaveGroup', { conversationId }), 'left');
    });
  const roles = [
    ['grant', 'make a member an admin', 'grantAdmin'],
    ['revoke', 'make an admin a member (owner)', 'revokeAdmin'],
    ['transfer', 'make another member the owner (owner)', 'transferOwnership'],
  ] as const;
  for (const [name, description, call] of roles) {
    group
      .command(`${name} <group> <user>`)
      .description(description)
      .action(async (conversationId: string, user: string, _options: unknown, self: Command) => {
        const s = session(self);
        const userId = await new Names(s).user(user);
        s.output.result(await s.call(call, { conversationId, userId }), 'done');
      });
  }
}

function addInviteCommands(group: Command, session: WithSession): void {
  group
    .command('invite <group>')
    .description('make an invite token')
    .option('--days <n>', 'valid for so many days', '7')
    .option('--max <n>', 'good for so many joins; 0: any number', '0')
    .action(async (conversationId: string, options: { days: string; max: string }, self: Command) => {
      const s = session(self);
      const { invite } = await s.call('createInvite', {
        conversationId,
        validSeconds: Math.round(Number(options.days) * 86_400),
        maxJoins: Number(options.max),
      });
      s.output.result(invite, `${invite?.token ?? ''}  until ${dateTime(Number(invite?.expiresAtMs ?? 0n))}`);
    });
  group
    .command('join <token>')
    .description('join by an invite token')
    .action(async (token: string, _options: unknown, self: Command) => {
      const s = session(self);
      const { group: joined } = await s.call('joinByInvite', { token });
      s.output.result(joined, `${joined?.conversationId ?? ''}  ${joined?.name ?? ''}`);
    });
}

export async function listConversations(s: Session): Promise<void> {
  const names = new Names(s);
  const all = [];
  let pageToken = '';
  do {
    const page = await s.call('listConversations', { pageSize: 500, pageToken });
    all.push(...page.conversations);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  const rows = s.output.json
    ? []
    : await Promise.all(
        all.map(async ({ conversationId, group, peerUserId }) =>
          group === undefined
            ? [await names.show(peerUserId), 'private', conversationId]
            : [group.name, `${String(group.memberCount)} members, ${roleName(group.myRole)}`, conversationId],
        ),
      );
  s.output.result(all, rows.length === 0 ? 'no conversations yet' : table(rows));
}

function permission(text: string | undefined): Permission {
  if (text === undefined) return Permission.UNSPECIFIED;
  if (text === 'everyone') return Permission.EVERYONE;
  if (text === 'admins') return Permission.ADMINS;
  throw new CliError(EXIT.usage, `${text}: everyone or admins`);
}
