import { isConversationId, parseConversation } from '@godwit/ids/conversation';
import { isDeviceId, isId } from '@godwit/ids/id';
import type { GroupSettings as WireSettings } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import type { CallContext } from '@godwit/rpc/call-context';
import { invalidArgument } from '@godwit/rpc/rpc-error';
import type { GroupSettings } from '../domain/conversation.js';
import type { Actor } from '../domain/ports.js';
import { fromWirePermission } from '../peers/membership-mapping.js';

// What is asked of the fields of requests; each refuses with INVALID_ARGUMENT and the field's name.

const DEVICE_KEY = 'godwit-device';
const NAME_MAX = 100;
const MEDIA_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
const CLIENT_REQUEST_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
// Control characters, line and paragraph separators, and those that turn the direction of the text around them.
const UNFIT_FOR_NAMES = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

export const readActor = (context: CallContext): Actor => {
  const userId = context.requireUser(isId);
  const deviceId = context.metadata(DEVICE_KEY) ?? '';
  if (deviceId !== '' && !isDeviceId(deviceId)) throw invalidArgument(DEVICE_KEY, 'is not a device id');
  return { userId, deviceId };
};

export const readConversationId = (value: string): string => {
  if (!isConversationId(value)) throw invalidArgument('conversation_id', 'is not a conversation id');
  return value;
};

export const readGroupId = (value: string): string => {
  const kind = parseConversation(value)?.kind;
  if (kind === undefined) throw invalidArgument('conversation_id', 'is not a conversation id');
  if (kind !== 'group')
    throw invalidArgument('conversation_id', 'is a private conversation, not a group', 'NOT_A_GROUP');
  return value;
};

export const readUserId = (value: string, field = 'user_id'): string => {
  if (!isId(value)) throw invalidArgument(field, 'is not a user id');
  return value;
};

/** Each user once, in the order of the first mention. */
export const readUserIds = (
  values: readonly string[],
  { field, min, max }: { field: string; min: number; max: number },
): string[] => {
  if (values.length < min || values.length > max) {
    throw invalidArgument(field, `takes ${String(min)} to ${String(max)} users`);
  }
  for (const [index, value] of values.entries()) readUserId(value, `${field}[${String(index)}]`);
  return [...new Set(values)];
};

export const readName = (value: string): string => {
  const name = value.trim();
  const length = [...name].length;
  if (length < 1 || length > NAME_MAX) throw invalidArgument('name', `takes 1 to ${String(NAME_MAX)} characters`);
  if (UNFIT_FOR_NAMES.test(name)) throw invalidArgument('name', 'takes no control characters');
  return name;
};

/** Empty: no picture. */
export const readPicture = (value: string): string => {
  if (value !== '' && !MEDIA_ID_PATTERN.test(value)) throw invalidArgument('picture_media_id', 'is not a media id');
  return value;
};

export const readClientRequestId = (value: string): string => {
  if (!CLIENT_REQUEST_ID_PATTERN.test(value)) {
    throw invalidArgument('client_request_id', 'takes 1 to 64 characters of A-Z, a-z, 0-9, _ and -');
  }
  return value;
};

/** Those that are set. */
export const readSettings = (settings: WireSettings | undefined): Partial<GroupSettings> => ({
  ...permission('whoMaySend', settings?.whoMaySend),
  ...permission('whoMayAdd', settings?.whoMayAdd),
});

const permission = (key: keyof GroupSettings, value: WireSettings[keyof WireSettings] | undefined) => {
  if (value === undefined || value === 0) return {};
  const known = fromWirePermission(value);
  if (known === undefined) {
    const field = key === 'whoMaySend' ? 'settings.who_may_send' : 'settings.who_may_add';
    throw invalidArgument(field, 'is not a permission');
  }
  return { [key]: known };
};

/** A number within bounds; 0 stands for `fallback`, where there is one. */
export const readCount = (
  value: number,
  { field, min, max, fallback }: { field: string; min: number; max: number; fallback?: number },
): number => {
  if (value === 0 && fallback !== undefined) return fallback;
  if (value < min || value > max) throw invalidArgument(field, `takes ${String(min)} to ${String(max)}`);
  return value;
};

/** Page tokens are the id at which the page before ended. */
export const readPageToken = (value: string, isToken: (value: string) => boolean): string => {
  if (value !== '' && !isToken(value)) throw invalidArgument('page_token', 'is not a token of this list');
  return value;
};
