import type { Message } from '@godwit/client/message';
import { Role, type Membership } from '@godwit/proto/gen/client/godwit/message/v1/envelope_pb';
import pc from 'picocolors';
import type { Names } from './names.js';
import { clockTime } from './output.js';
import { printable, printableLine } from './terminal-text.js';

/** Names in one line before they are only counted. */
const MOST_NAMES = 5;

/** A message as a line of a chat; the further lines of a longer text stand under the first. */
export async function renderMessage(message: Message, names: Names): Promise<string> {
  const who = await names.show(message.from.userId);
  const head = `${pc.dim(`${clockTime(message.serverTimeMs)} #${String(message.seq)}`)} `;
  if (message.content.case === 'membership') {
    return `${head}${pc.dim(`— ${await renderMembership(message.content.value, message.from.userId, names)}`)}`;
  }
  return `${head}${pc.bold(who)}  ${contentText(message).replaceAll('\n', '\n    ')}`;
}

function contentText({ content, targetSeq }: Message): string {
  const target = `#${String(targetSeq)}`;
  switch (content.case) {
    case 'text':
      return targetSeq > 0
        ? `${pc.dim(`(to ${target})`)} ${printable(content.value.text)}`
        : printable(content.value.text);
    case 'location': {
      const { latitude, longitude, name } = content.value;
      return `is at ${latitude.toFixed(5)}, ${longitude.toFixed(5)} ${printableLine(name)}`.trim();
    }
    case 'contact': {
      const { displayName, userId, phone } = content.value;
      return `sends a contact: ${printableLine(displayName) || printableLine(userId)} ${printableLine(phone)}`.trim();
    }
    case 'reaction':
      return content.value.emoji === ''
        ? `takes back a reaction to ${target}`
        : `${printableLine(content.value.emoji)} to ${target}`;
    case 'edit':
      return `${pc.dim(`(edits ${target})`)} ${printable(content.value.text)}`;
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

async function renderMembership({ change }: Membership, actor: string, names: Names): Promise<string> {
  const who = await names.show(actor);
  const all = async (userIds: readonly string[]): Promise<string> =>
    userIds.length > MOST_NAMES
      ? `${String(userIds.length)} members`
      : (await Promise.all(userIds.map((id) => names.show(id)))).join(', ');
  switch (change.case) {
    case 'created':
      return change.value.name === '' ? 'the chat begins' : `${who} created "${printableLine(change.value.name)}"`;
    case 'added':
      return change.value.inviteId === ''
        ? `${who} added ${await all(change.value.members.map(({ userId }) => userId))}`
        : `${who} joined by an invite`;
    case 'removed': {
      const { userIds } = change.value;
      return userIds.length === 1 && userIds[0] === actor ? `${who} left` : `${who} removed ${await all(userIds)}`;
    }
    case 'roles': {
      const made = await Promise.all(
        change.value.members.map(async ({ userId, role }) => `${await names.show(userId)} ${roleName(role)}`),
      );
      return made.length === 0 ? `${who} changed roles` : `${who} made ${made.join(', ')}`;
    }
    case 'group':
      return `${who} changed the group: "${printableLine(change.value.name)}"`;
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
