import { isId } from '@godwit/ids/id';
import type { AccountServiceService, UpdateProfileRequest } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { FindUserRequest } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import type { Handlers } from '@godwit/rpc/server';
import {
  ABOUT_MAX,
  readDisplayName,
  readId,
  readMediaId,
  readPage,
  readPhone,
  readText,
  readUserName,
} from '../domain/fields.js';
import type { DeviceRegistry } from '../domain/ports.js';
import type { Profiles, ProfileUpdate, UserSearch } from '../domain/profiles.js';
import { invalid, Refusal } from '../domain/refusal.js';
import type { Relations } from '../domain/relations.js';
import type { RemoveDevice } from '../domain/remove-device.js';
import type { Acting } from './acting.js';
import { deviceMessage, privacyMessage, profileMessage, readPrivacy } from './mapping.js';

export interface UserCalls {
  readonly acting: Acting;
  readonly profiles: Profiles;
  readonly relations: Relations;
  readonly devices: DeviceRegistry;
  readonly removeDevice: RemoveDevice;
}

type AccountHandlers = Handlers<typeof AccountServiceService>;

type ProfileHandlers = Pick<
  AccountHandlers,
  'getProfile' | 'updateProfile' | 'getPrivacy' | 'updatePrivacy' | 'findUser' | 'listDevices' | 'removeDevice'
>;

const readUpdate = ({ userName, displayName, pictureMediaId, about }: UpdateProfileRequest): ProfileUpdate => ({
  ...(userName === undefined ? {} : { userName: userName === '' ? null : readUserName(userName, 'user_name') }),
  ...(displayName === undefined ? {} : { displayName: readDisplayName(displayName, 'display_name') }),
  ...(pictureMediaId === undefined ? {} : { pictureMediaId: readMediaId(pictureMediaId, 'picture_media_id') }),
  ...(about === undefined ? {} : { about: readText(about, { field: 'about', max: ABOUT_MAX }) }),
});

const readSearch = ({ by }: FindUserRequest): UserSearch => {
  if (by === undefined) throw invalid('by', 'needs a user_name or a phone');
  return by.$case === 'userName'
    ? { by: 'user_name', userName: readUserName(by.value, 'user_name') }
    : { by: 'phone', phone: readPhone(by.value, 'phone') };
};

export const profileHandlers = ({ acting, profiles, devices, removeDevice }: UserCalls): ProfileHandlers => ({
  getProfile: async ({ userId }, context) => {
    const actor = await acting(context);
    const wanted = userId === '' ? actor.userId : readId(userId, 'user_id');
    return { profile: profileMessage(await profiles.get(actor.userId, wanted)) };
  },
  updateProfile: async (request, context) => {
    const { userId } = await acting(context);
    return { profile: profileMessage(await profiles.update(userId, readUpdate(request))) };
  },
  getPrivacy: async (_request, context) => {
    const { userId } = await acting(context);
    return { privacy: privacyMessage(await profiles.privacy(userId)) };
  },
  updatePrivacy: async ({ privacy }, context) => {
    const { userId } = await acting(context);
    return { privacy: privacyMessage(await profiles.updatePrivacy(userId, readPrivacy(privacy))) };
  },
  findUser: async (request, context) => {
    const { userId } = await acting(context);
    return { profile: profileMessage(await profiles.find(userId, readSearch(request))) };
  },
  listDevices: async (_request, context) => {
    const { userId } = await acting(context);
    return { devices: (await devices.list(userId)).map(deviceMessage) };
  },
  removeDevice: async (request, context) => {
    // An operator has no device of that user.
    const userId = context.caller.kind === 'api-key' ? context.requireUser(isId) : (await acting(context)).userId;
    const deviceId = readId(request.deviceId, 'device_id');
    if (await removeDevice({ userId, deviceId })) return {};
    throw new Refusal('not_found', 'DEVICE_NOT_FOUND', { message: 'you have no such device', field: 'device_id' });
  },
});

type RelationHandlers = Pick<
  AccountHandlers,
  'addContact' | 'removeContact' | 'listContacts' | 'blockUser' | 'unblockUser' | 'listBlocks'
>;

export const relationHandlers = ({ acting, relations }: UserCalls): RelationHandlers => ({
  addContact: async (request, context) => {
    const { userId } = await acting(context);
    const displayName = readDisplayName(request.displayName, 'display_name');
    await relations.addContact(userId, { userId: readId(request.userId, 'user_id'), displayName });
    return {};
  },
  removeContact: async (request, context) => {
    const { userId } = await acting(context);
    await relations.removeContact(userId, readId(request.userId, 'user_id'));
    return {};
  },
  listContacts: async ({ pageSize, pageToken }, context) => {
    const { userId } = await acting(context);
    const { items, next } = await relations.listContacts(userId, readPage(pageSize, pageToken));
    return { contacts: items.map((contact) => ({ ...contact })), nextPageToken: next };
  },
  blockUser: async (request, context) => {
    const { userId } = await acting(context);
    await relations.block(userId, readId(request.userId, 'user_id'));
    return {};
  },
  unblockUser: async (request, context) => {
    const { userId } = await acting(context);
    await relations.unblock(userId, readId(request.userId, 'user_id'));
    return {};
  },
  listBlocks: async ({ pageSize, pageToken }, context) => {
    const { userId } = await acting(context);
    const { items, next } = await relations.listBlocks(userId, readPage(pageSize, pageToken));
    return { userIds: [...items], nextPageToken: next };
  },
});
