import { type Command, Option } from 'commander';
import { Audience } from '@godwit/proto/gen/client/godwit/account/v1/account_pb';
import { ago, dateTime, table } from '../output.js';
import type { Session } from '../session.js';
import { printableLine } from '../terminal-text.js';

type WithSession = (command: Command) => Session;

export function addAccountCommands(program: Command, session: WithSession): void {
  program
    .command('whoami')
    .description('who is signed in here')
    .action(async (_options: unknown, self: Command) => {
      const { output, folder } = session(self);
      const profile = await folder.read();
      output.result(
        profile,
        `${profile.userName || '(no user name)'}  user ${profile.userId}  device ${profile.deviceId}`,
      );
    });

  program
    .command('profile')
    .description('show or change your profile')
    .option('--name <name>', 'user name')
    .option('--display-name <text>', 'the name that others see')
    .option('--about <text>', 'a line about you')
    .action(async (options: { name?: string; displayName?: string; about?: string }, self: Command) => {
      const s = session(self);
      const change = {
        ...(options.name === undefined ? {} : { userName: options.name }),
        ...(options.displayName === undefined ? {} : { displayName: options.displayName }),
        ...(options.about === undefined ? {} : { about: options.about }),
      };
      const nothing = Object.keys(change).length === 0;
      const { profile } = nothing ? await s.call('getProfile', {}) : await s.call('updateProfile', change);
      s.output.result(
        profile,
        table([
          ['user name', profile?.userName || '(none)'],
          ['shown as', printableLine(profile?.displayName ?? '') || '(none)'],
          ['about', printableLine(profile?.about ?? '') || '(none)'],
        ]),
      );
    });

  program
    .command('privacy')
    .description('who may see when you are online, last seen, and have read')
    .addOption(who('--online <who>', 'who sees that you are online'))
    .addOption(who('--last-seen <who>', 'who sees when you were last here'))
    .addOption(who('--read-receipts <who>', 'who sees what you have read'))
    .action(async (options: { online?: Who; lastSeen?: Who; readReceipts?: Who }, self: Command) => {
      const s = session(self);
      const privacy = {
        online: audience(options.online),
        lastSeen: audience(options.lastSeen),
        readReceipts: audience(options.readReceipts),
      };
      const none = Object.values(options).every((option) => option === undefined);
      const now = none ? await s.call('getPrivacy', {}) : await s.call('updatePrivacy', { privacy });
      const rows = [
        ['online', audienceName(now.privacy?.online)],
        ['last seen', audienceName(now.privacy?.lastSeen)],
        ['read receipts', audienceName(now.privacy?.readReceipts)],
      ];
      s.output.result(now.privacy, table(rows));
    });

  addDeviceCommands(program, session);
}

function addDeviceCommands(program: Command, session: WithSession): void {
  const devices = program.command('devices').description('your signed-in devices');
  devices
    .command('list', { isDefault: true })
    .description('list them')
    .action(async (_options: unknown, self: Command) => {
      const s = session(self);
      const { deviceId: own } = await s.profile();
      const { devices: all } = await s.call('listDevices', {});
      const rows = all.map(({ deviceId, name, createdAtMs, lastUsedAtMs }) => [
        deviceId,
        printableLine(name),
        `since ${dateTime(Number(createdAtMs))}`,
        deviceId === own ? 'this one' : `used ${ago(Number(lastUsedAtMs))}`,
      ]);
      s.output.result(all, table(rows));
    });
  devices
    .command('remove <deviceId>')
    .description('sign a device out; its socket is closed at once')
    .action(async (deviceId: string, _options: unknown, self: Command) => {
      const s = session(self);
      await s.call('removeDevice', { deviceId });
      s.output.result({ removed: deviceId }, 'removed');
    });
}

const AUDIENCES = {
  everyone: Audience.EVERYONE,
  contacts: Audience.CONTACTS,
  nobody: Audience.NOBODY,
} as const;

type Who = keyof typeof AUDIENCES;

function who(flags: string, description: string): Option {
  return new Option(flags, description).choices(Object.keys(AUDIENCES));
}

function audience(name: Who | undefined): Audience {
  return name === undefined ? Audience.UNSPECIFIED : AUDIENCES[name];
}

function audienceName(value: Audience | undefined): string {
  return Object.entries(AUDIENCES).find(([, one]) => one === value)?.[0] ?? 'everyone';
}
