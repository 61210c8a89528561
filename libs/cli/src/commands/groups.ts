import { type Command, Option } from 'commander';
import { Permission } from '@godwit/proto/gen/client/godwit/message/v1/envelope_pb';
import { newId } from '@godwit/ids/id';
import { CliError, EXIT } from '../exit.js';
import { allConversations, Names } from '../names.js';
import { dateTime, table } from '../output.js';
import { roleName } from '../render.js';
import { wholeNumber } from '../parse.js';
import type { Session } from '../session.js';
import { printableLine } from '../terminal-text.js';

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
      s.output.result(
        made,
        `${printableLine(name)}, ${membersOf(made?.memberCount ?? 0)}  ${made?.conversationId ?? ''}`,
      );
    });

  group
    .command('list')
    .description('the groups you are in')
    .action(async (_options: unknown, self: Command) => {
      const s = session(self);
      await showConversations(s, {
        conversations: (await allConversations(s)).filter(({ group }) => group !== undefined),
        none: 'no groups yet',
      });
    });

  group
    .command('members <group>')
    .description('its members')
    .action(async (to: string, _options: unknown, self: Command) => {
      const s = session(self);
      const names = new Names(s);
      const conversationId = await names.group(to);
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

  addUpdateCommand(group, session);
  addMemberCommands(group, session);
  addInviteCommands(group, session);
}

interface UpdateOptions {
  readonly name?: string;
  readonly picture?: string;
  readonly send?: Who;
  readonly add?: Who;
}

function addUpdateCommand(group: Command, session: WithSession): void {
  group
    .command('update <group>')
    .description('rename, set the picture, or who may send and add (admins)')
    .option('--name <name>', 'its name')
    .option('--picture <mediaId>', 'reference of its picture; "" for none')
    .addOption(who('--send <who>', 'who may send'))
    .addOption(who('--add <who>', 'who may add members'))
    .action(async (to: string, options: UpdateOptions, self: Command) => {
      const s = session(self);
      const { name, picture, send, add } = options;
      if (Object.keys(options).length === 0)
        throw new CliError(EXIT.usage, 'what is to change? See --name, --picture, --send, --add');
      const conversationId = await new Names(s).group(to);
      const { group: now } = await s.call('updateGroup', {
        conversationId,
        ...(name === undefined ? {} : { name }),
        ...(picture === undefined ? {} : { pictureMediaId: picture }),
        ...(send === undefined && add === undefined
          ? {}
          : { settings: { whoMaySend: permission(send), whoMayAdd: permission(add) } }),
      });
      s.output.result(now, `${printableLine(now?.name ?? '')}: changed`);
    });
}

function addMemberCommands(group: Command, session: WithSession): void {
  group
    .command('add <group> <users...>')
    .description('add members')
    .action(async (to: string, users: string[], _options: unknown, self: Command) => {
      const s = session(self);
      const names = new Names(s);
      const conversationId = await names.group(to);
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
    .action(async (to: string, users: string[], _options: unknown, self: Command) => {
      const s = session(self);
      const names = new Names(s);
      const conversationId = await names.group(to);
      const userIds = await Promise.all(users.map((user) => names.user(user)));
      const removed = await s.call('removeMembers', { conversationId, userIds });
      s.output.result(removed, `${String(removed.removedUserIds.length)} removed`);
    });
  group
    .command('leave <group>')
    .description('leave it')
    .action(async (to: string, _options: unknown, self: Command) => {
      const s = session(self);
      const conversationId = await new Names(s).group(to);
      s.output.result(await s.call('leaveGroup', { conversationId }), 'left');
    });
  const roles = [
    ['grant', 'make a member an admin', 'grantAdmin', 'is an admin now'],
    ['revoke', 'make an admin a member (owner)', 'revokeAdmin', 'is a member now'],
    ['transfer', 'make another member the owner (owner)', 'transferOwnership', 'is the owner now'],
  ] as const;
  for (const [name, description, call, now] of roles) {
    group
      .command(`${name} <group> <user>`)
      .description(description)
      .action(async (to: string, user: string, _options: unknown, self: Command) => {
        const s = session(self);
        const names = new Names(s);
        const [conversationId, userId] = await Promise.all([names.group(to), names.user(user)]);
        s.output.result(await s.call(call, { conversationId, userId }), `${await names.show(userId)} ${now}`);
      });
  }
}

function addInviteCommands(group: Command, session: WithSession): void {
  group
    .command('invite <group>')
    .description('make an invite token')
    .option('--days <n>', 'valid for so many days', wholeNumber(1, 30), 7)
    .option('--max <n>', 'good for so many joins; 0: any number', wholeNumber(0), 0)
    .action(async (to: string, options: { days: number; max: number }, self: Command) => {
      const s = session(self);
      const conversationId = await new Names(s).group(to);
      const { invite } = await s.call('createInvite', {
        conversationId,
        validSeconds: options.days * 86_400,
        maxJoins: options.max,
      });
      s.output.result(invite, `${invite?.token ?? ''}  until ${dateTime(Number(invite?.expiresAtMs ?? 0n))}`);
    });
  group
    .command('join <token>')
    .description('join by an invite token')
    .action(async (token: string, _options: unknown, self: Command) => {
      const s = session(self);
      const { group: joined } = await s.call('joinByInvite', { token });
      s.output.result(joined, `${printableLine(joined?.name ?? '')}  ${joined?.conversationId ?? ''}`);
    });
}

export async function listConversations(s: Session): Promise<void> {
  await showConversations(s, { conversations: await allConversations(s), none: 'no conversations yet' });
}

interface Shown {
  readonly conversations: Awaited<ReturnType<typeof allConversations>>;
  readonly none: string;
}

async function showConversations(s: Session, { conversations, none }: Shown): Promise<void> {
  const names = new Names(s);
  const rows = s.output.json
    ? []
    : await Promise.all(
        conversations.map(async ({ conversationId, group, peerUserId }) =>
          group === undefined
            ? [await names.show(peerUserId), 'private', conversationId]
            : [printableLine(group.name), `${membersOf(group.memberCount)}, ${roleName(group.myRole)}`, conversationId],
        ),
      );
  s.output.result(conversations, rows.length === 0 ? none : table(rows));
}

function membersOf(count: number): string {
  return count === 1 ? '1 member' : `${String(count)} members`;
}

const PERMISSIONS = { everyone: Permission.EVERYONE, admins: Permission.ADMINS } as const;

type Who = keyof typeof PERMISSIONS;

/** `--send` and `--add`. */
function who(flags: string, description: string): Option {
  return new Option(flags, description).choices(Object.keys(PERMISSIONS));
}

function permission(name: Who | undefined): Permission {
  return name === undefined ? Permission.UNSPECIFIED : PERMISSIONS[name];
}
