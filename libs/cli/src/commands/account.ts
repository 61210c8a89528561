import { createInterface } from 'node:readline/promises';
import { hostname } from 'node:os';
import type { Command } from 'commander';
import type { HttpCalls } from '@godwit/client/calls';
import { Audience, Platform } from '@godwit/proto/gen/client/godwit/account/v1/account_pb';
import { CliError, EXIT } from '../exit.js';
import { Names } from '../names.js';
import { ago, dateTime, table } from '../output.js';
import { findLocalStack } from '../profile.js';
import type { Session } from '../session.js';

type WithSession = (command: Command) => Session;

interface SignInOptions {
  readonly phone: string;
  readonly name?: string;
  readonly apiKey?: string;
  readonly code?: string;
  readonly device: string;
}

export function addAccountCommands(program: Command, session: WithSession): void {
  for (const kind of ['register', 'login'] as const) {
    const command = program
      .command(kind)
      .description(kind === 'register' ? 'make an account for a phone number' : 'sign this device in to an account')
      .requiredOption('-p, --phone <number>', 'phone number, like +12025550101')
      .option('--api-key <key>', "the app's API key (default: GODWIT_API_KEY, or the local stack's)")
      .option('--code <code>', 'the one-time code, instead of being asked for it')
      .option('--device <name>', 'name of this device', hostname());
    if (kind === 'register') command.option('-n, --name <name>', 'user name: 3 to 32 of a-z, 0-9 and _');
    command.action(async (options: SignInOptions, self: Command) => {
      await signIn(session(self), kind, options);
    });
  }
  addOwnCommands(program, session);
  addPeopleCommands(program, session);
}

async function signIn(session: Session, kind: 'register' | 'login', options: SignInOptions): Promise<void> {
  const http = await session.http();
  const verificationId = await askForCode(http, kind, options);
  session.output.note(`A code is on its way to ${options.phone}.`);
  const code = options.code ?? (await askUser('Code: '));
  const { outcome } = await http.call('validateAccount', { verificationId, code: code.trim() });
  if (outcome.case !== 'signedIn') {
    const left = outcome.case === 'wrongCode' ? outcome.value.triesLeft : 0;
    throw new CliError(EXIT.refused, `wrong code; ${String(left)} tries left`);
  }
  const { profile, deviceId, tokens, userNameTaken } = outcome.value;
  const userId = profile?.userId ?? '';
  const userName = profile?.userName ?? '';
  await session.folder.signIn(
    { userId, deviceId, userName, edges: await session.edges() },
    {
      accessToken: tokens?.accessToken ?? '',
      accessExpiresAtMs: Number(tokens?.accessExpiresAtMs ?? 0n),
      refreshToken: tokens?.refreshToken ?? '',
    },
  );
  if (userNameTaken)
    session.output.note('That user name was taken in the meantime: `godwit profile --name` sets another.');
  session.output.result({ userId, deviceId, userName }, `Signed in as ${userName || userId} on this device.`);
}

async function askForCode(http: HttpCalls, kind: 'register' | 'login', options: SignInOptions): Promise<string> {
  const apiKey = options.apiKey ?? process.env['GODWIT_API_KEY'] ?? findLocalStack()?.apiKey;
  if (apiKey === undefined) {
    throw new CliError(EXIT.usage, 'an API key is needed: --api-key, GODWIT_API_KEY, or a local stack in this folder');
  }
  const device = { apiKey, phone: options.phone, deviceName: options.device, platform: Platform.DESKTOP };
  const started =
    kind === 'register'
      ? await http.call('registerUser', { ...device, userName: options.name ?? '' })
      : await http.call('loginUser', device);
  return started.verificationId;
}

async function askUser(question: string): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await reader.question(question);
  } finally {
    reader.close();
  }
}

function addOwnCommands(program: Command, session: WithSession): void {
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
      const none = Object.keys(change).length === 0;
      const { profile } = none ? await s.call('getProfile', {}) : await s.call('updateProfile', change);
      s.output.result(
        profile,
        `${profile?.userName ?? ''}  ${profile?.displayName ?? ''}  ${profile?.about ?? ''}`.trim(),
      );
    });

  program
    .command('privacy')
    .description('who may see when you are online, last seen, and have read')
    .option('--online <who>', 'everyone, contacts or nobody')
    .option('--last-seen <who>', 'everyone, contacts or nobody')
    .option('--read-receipts <who>', 'everyone, contacts or nobody')
    .action(async (options: { online?: string; lastSeen?: string; readReceipts?: string }, self: Command) => {
      const s = session(self);
      const privacy = {
        online: audience(options.online),
        lastSeen: audience(options.lastSeen),
        readReceipts: audience(options.readReceipts),
      };
      const now = await s.call('updatePrivacy', { privacy });
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
        name,
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

  program
    .command('logout')
    .description('sign this device out and forget its state')
    .action(async (_options: unknown, self: Command) => {
      const s = session(self);
      await s.call('logout', {});
      await s.folder.forget();
      s.output.result({ signedOut: true }, 'signed out');
    });
}

function addPeopleCommands(program: Command, session: WithSession): void {
  program
    .command('find <user>')
    .description('find a user by name or phone number')
    .action(async (text: string, _options: unknown, self: Command) => {
      const s = session(self);
      const userId = await new Names(s).user(text);
      const { profile } = await s.call('getProfile', { userId });
      s.output.result(profile, `${profile?.userName ?? ''}  ${profile?.displayName ?? ''}  ${userId}`);
    });

  const contacts = program.command('contacts').description('your contacts');
  contacts
    .command('list', { isDefault: true })
    .description('list them')
    .action(async (_options: unknown, self: Command) => {
      const s = session(self);
      const all = [];
      let pageToken = '';
      do {
        const page = await s.call('listContacts', { pageSize: 500, pageToken });
        all.push(...page.contacts);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      s.output.result(all, table(all.map(({ userId, displayName }) => [displayName, userId])));
    });
  contacts
    .command('add <user> [displayName]')
    .description('add a contact')
    .action(async (text: string, displayName: string | undefined, _options: unknown, self: Command) => {
      const s = session(self);
      const userId = await new Names(s).user(text);
      await s.call('addContact', { userId, displayName: displayName ?? text.replace(/^@/, '') });
      s.output.result({ userId }, 'added');
    });
  const onUser = [
    [contacts.command('remove <user>').description('remove a contact'), 'removeContact', 'removed'],
    [program.command('block <user>').description('take no messages from a user'), 'blockUser', 'blocked'],
    [program.command('unblock <user>').description('take messages again'), 'unblockUser', 'unblocked'],
  ] as const;
  for (const [command, call, done] of onUser) {
    command.action(async (text: string, _options: unknown, self: Command) => {
      const s = session(self);
      const userId = await new Names(s).user(text);
      await s.call(call, { userId });
      s.output.result({ userId }, done);
    });
  }
}

const AUDIENCES: Readonly<Record<string, Audience>> = {
  everyone: Audience.EVERYONE,
  contacts: Audience.CONTACTS,
  nobody: Audience.NOBODY,
};

function audience(text: string | undefined): Audience {
  if (text === undefined) return Audience.UNSPECIFIED;
  const found = Object.hasOwn(AUDIENCES, text) ? AUDIENCES[text] : undefined;
  if (found === undefined) throw new CliError(EXIT.usage, `${text}: everyone, contacts or nobody`);
  return found;
}

function audienceName(value: Audience | undefined): string {
  return Object.entries(AUDIENCES).find(([, one]) => one === value)?.[0] ?? 'everyone';
}
