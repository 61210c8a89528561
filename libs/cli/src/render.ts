import type { Message } from '@godwit/client/message';
import { Role, type Membership } from '@godwit/proto/gen/client/godwit/message/v1/envelope_pb';
import pc from 'picocolors';
import type { Names } from './names.js';
import { clockTime } from './output.js';

/** A message as a line of a chat. */
export async function renderMessage(message: Message, names: Names): Promise<string> {
  const who = await names.show(message.from.userId);
  const head = `${pc.dim(`${clockTime(message.serverTimeMs)} #${String(message.seq)}`)} `;
  if (message.content.case === 'membership') {
    return `${head}${pc.dim(`— ${await renderMembership(message.content.value, who, names)}`)}`;
  }
  return `${head}${pc.bold(who)} ${contentText(message)}`;
}

function contentText({ content, targetSeq }: Message): string {
  const target = `#${String(targetSeq)}`;
  switch (content.case) {
    case 'text':
      return targetSeq > 0 ? `${pc.dim(`(to ${target})`)} ${content.value.text}` : content.value.text;
    case 'location':
      return `is at ${content.value.latitude.toFixed(5)}, ${content.value.longitude.toFixed(5)} ${content.value.name}`.trim();
    case 'contact':
      return `sends a contact: ${content.value.displayName || content.value.userId} ${content.value.phone}`.trim();
    case 'reaction':
      return content.value.emoji === '' ? `takes back a reaction to ${target}` : `${content.value.emoji} to ${target}`;
    case 'edit':
      return `${pc.dim(`(edits ${target})`)} ${content.value.text}`;
    case 'delete':
      return pc.dim(`deleted ${target}`);
    case 'seen':
      return pc.dim(`has seen ${target}`);
    case 'encrypted':
      return pc.dim(`(encrypted, ${String(content.value.length)} bytes)`);
    case 'membership':
    case undefined:
      return pc.dim('(a kind of message that this version does not know)');
  }
}

async function renderMembership({ change }: Membership, who: string, names: Names): Promise<string> {
  const all = async (userIds: readonly string[]): Promise<string> =>
    userIds.length > 5
      ? `${String(userIds.length)} members`
      : (await Promise.all(userIds.map((id) => names.show(id)))).join(', ');
  switch (change.case) {
    case 'created':
      return change.value.name === '' ? 'the chat begins' : `${who} created "${change.value.name}"`;
    case 'added':
      return change.value.inviteId === ''
        ? `${who} added ${await all(change.value.members.map(({ userId }) => userId))}`
        : `${who} joined by an invite`;
    case 'removed': {
      const removed = await all(change.value.userIds);
      return removed === who ? `${who} left` : `${who} removed ${removed}`;
    }
    case 'roles':
      return change.value.members.length === 0
        ? `${who} changed roles`
        : `${who} made ${(await Promise.all(change.value.members.map(async ({ userId, role }) => `${await names.show(userId)} ${roleName(role)}`))).join(', ')}`;
    case 'group':
      return `${who} changed the group: "${change.value.name}"`;
    case undefined:
      return `${who} changed the group`;
  }
}

export function roleName(role: Role): string {
  switch (role) {
    case Role.OWNER:
      return 'owner';
    case Role.ADMIN:
      return 'admin';
    case Role.MEMBER:
      return 'member';
    case Role.UNSPECIFIED:
      return 'not a member';
  }
}
