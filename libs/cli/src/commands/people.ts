import type { Command } from 'commander';
import { Names } from '../names.js';
import { table } from '../output.js';
import type { Session } from '../session.js';
import { printableLine } from '../terminal-text.js';

type WithSession = (command: Command) => Session;

export function addPeopleCommands(program: Command, session: WithSession): void {
  program
    .command('find <user>')
    .description('find a user by name or phone number')
    .action(async (text: string, _options: unknown, self: Command) => {
      const s = session(self);
      const userId = await new Names(s).user(text);
      const { profile } = await s.call('getProfile', { userId });
      const names = [profile?.userName ?? '', profile?.displayName ?? '']
        .map(printableLine)
        .filter((name) => name !== '');
      s.output.result(profile, [...names, userId].join('  '));
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
      const rows = all.map(({ userId, displayName }) => [printableLine(displayName), userId]);
      s.output.result(all, rows.length === 0 ? 'no contacts yet' : table(rows));
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
