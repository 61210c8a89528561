import type { Command } from 'commander';
import { setTimeout as delay } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { newId } from '@godwit/ids/id';
import { NoAnswerError, RefusedError, refusedError } from '@godwit/client/errors';
import { kindOf, messageOf, payloadOf, type Message, type Outgoing } from '@godwit/client/message';
import type { CallRequest, CallResponse } from '@godwit/client/calls';
import { MetadataSchema } from '@godwit/proto/gen/client/godwit/message/v1/envelope_pb';
import { CliError, EXIT } from '../exit.js';
import { Names } from '../names.js';
import { ago, table } from '../output.js';
import { place, time, wholeNumber } from '../parse.js';
import { plainText } from '../plain.js';
import { renderMessage } from '../render.js';
import type { Session } from '../session.js';
import { runChat } from '../chat.js';
import { runListen } from '../listen.js';
import { listConversations } from './groups.js';

type WithSession = (command: Command) => Session;

export function addMessageCommands(program: Command, session: WithSession): void {
  program
    .command('chat <to>')
    .description('chat with a user or in a group: type to send, /help for more')
    .action(async (to: string, _options: unknown, self: Command) => {
      await runChat(session(self), to);
    });

  program
    .command('listen')
    .description('print everything that arrives on this device, until Ctrl-C')
    .option('--count <n>', 'end after so many messages', wholeNumber(1))
    .action(async (options: { count?: number }, self: Command) => {
      await runListen(session(self), options.count ?? Infinity);
    });

  program
    .command('send <to> [text...]')
    .description('send one message and say where it stands; a text of "-" is read from the input')
    .option('--reply <seq>', 'as an answer to this message', wholeNumber(1))
    .option('--react <emoji>', 'a reaction instead of a text (with --to-seq)')
    .option('--edit', 'the text replaces an own message (with --to-seq)')
    .option('--delete', 'delete for everyone (with --to-seq)')
    .option('--location <lat,long>', 'a place; the text is its name', place)
    .option('--to-seq <seq>', 'the message that a reaction, edit or delete is about', wholeNumber(1))
    .option('--id <clientMessageId>', 'the same id is never stored twice: for retries of scripts')
    .action(async (to: string, words: string[], options: SendOptions, self: Command) => {
      await sendOne(session(self), to, { words, options });
    });

  addReadCommands(program, session);
}

function addReadCommands(program: Command, session: WithSession): void {
  program
    .command('history <to>')
    .description('read a conversation')
    .option('-n, --count <n>', 'how many', wholeNumber(1, 256), 20)
    .option('--after <seq>', 'after this message, instead of the newest', wholeNumber(0))
    .option('--since <time>', 'since this time (ISO 8601), instead of the newest', time)
    .action(async (to: string, options: HistoryOptions, self: Command) => {
      await history(session(self), to, options);
    });

  program
    .command('conversations')
    .description('what you are in')
    .action(async (_options: unknown, self: Command) => {
      await listConversations(session(self));
    });

  program
    .command('receipts <to>')
    .argument('[seq]', 'a message, or: how far each has come', wholeNumber(1))
    .description('who has a message, who has read it')
    .action(async (to: string, seq: number | undefined, _options: unknown, self: Command) => {
      await receipts(session(self), to, seq);
    });

  program
    .command('presence <users...>')
    .description('who is online, and when the others were last seen')
    .action(async (users: string[], _options: unknown, self: Command) => {
      await presence(session(self), users);
    });

  program
    .command('keep <to>')
    .argument('<days>', 'how long; 0: only until all have them', wholeNumber(0, 3_650))
    .description('keep the messages of a conversation for so many days')
    .action(async (to: string, days: number, _options: unknown, self: Command) => {
      const s = session(self);
      const conversationId = await new Names(s).conversation(to);
      await s.call('setHistory', { conversationId, historyDays: days });
      const kept = days === 0 ? 'messages are kept until all have them' : `messages are kept for ${String(days)} days`;
      s.output.result({ conversationId, historyDays: days }, kept);
    });
}

interface HistoryOptions {
  readonly count: number;
  readonly after?: number;
  readonly since?: number;
}

interface SendOptions {
  readonly reply?: number;
  readonly react?: string;
  readonly edit?: boolean;
  readonly delete?: boolean;
  readonly location?: { readonly latitude: number; readonly longitude: number };
  readonly toSeq?: number;
  readonly id?: string;
}

/** @throws CliError when the options do not go together */
export function outgoingOf(text: string, options: SendOptions): Outgoing {
  const { react, edit = false, delete: remove = false, location, reply, toSeq } = options;
  const kinds = [react !== undefined, edit, remove, location !== undefined].filter(Boolean).length;
  if (kinds > 1) throw new CliError(EXIT.usage, 'one of --react, --edit, --delete and --location at a time');
  const about = react !== undefined || edit || remove;
  if (about && toSeq === undefined) throw new CliError(EXIT.usage, 'which message? Say --to-seq');
  const targetSeq = about ? (toSeq ?? 0) : (reply ?? toSeq ?? 0);
  if (react !== undefined) return { reaction: { emoji: react }, targetSeq };
  if (remove) return { delete: {}, targetSeq };
  if (location !== undefined) return { location: { ...location, name: text } };
  if (text === '') throw new CliError(EXIT.usage, 'there is no text to send');
  return edit ? { edit: { text }, targetSeq } : { text, targetSeq };
}

/** The words of the command line, or, for "-", the whole input. */
async function textOf(words: readonly string[]): Promise<string> {
  if (words.length !== 1 || words[0] !== '-') return words.join(' ');
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk);
  return text.trimEnd();
}

async function sendOne(
  s: Session,
  to: string,
  { words, options }: { words: string[]; options: SendOptions },
): Promise<void> {
  const outgoing = outgoingOf(await textOf(words), options);
  const conversationId = await new Names(s).conversation(to);
  const payload = payloadOf(outgoing);
  const metadata = create(MetadataSchema, {
    timestampMs: BigInt(Date.now()),
    kind: kindOf(payload.content),
    targetSeq: BigInt(outgoing.targetSeq ?? 0),
  });
  const clientMessageId = options.id ?? newId();
  const { outcome } = await untilStored(s, { conversationId, clientMessageId, metadata, payload });
  if (outcome.case === 'refused') throw refusedError(outcome.value);
  if (outcome.case !== 'ack') throw new NoAnswerError('sendMessage was answered with nothing');
  const seq = Number(outcome.value.seq);
  s.output.result(
    {
      conversationId,
      clientMessageId,
      seq,
      serverTimeMs: outcome.value.serverTimeMs,
      duplicate: outcome.value.duplicate,
    },
    `✓ #${String(seq)}`,
  );
}

const SEND_TRIES = 5;

/** The same id on every try: it is stored once, however many answers are lost. */
async function untilStored(s: Session, request: CallRequest<'sendMessage'>): Promise<CallResponse<'sendMessage'>> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await s.call('sendMessage', { ...request, retry: tries > 1 });
    } catch (error) {
      const again = error instanceof NoAnswerError || (error instanceof RefusedError && error.retryAfterMs > 0);
      if (!again || tries === SEND_TRIES) throw error;
      await delay(error instanceof RefusedError ? error.retryAfterMs : 500 * tries);
    }
  }
}

async function history(s: Session, to: string, { count, after = 0, since = 0 }: HistoryOptions): Promise<void> {
  const names = new Names(s);
  const conversationId = await names.conversation(to);
  const newestFirst = after === 0 && since === 0;
  const page = await s.call('getMessages', {
    conversationId,
    count,
    afterSeq: BigInt(after),
    fromMs: BigInt(since),
    newestFirst,
  });
  const messages: Message[] = page.messages.map(messageOf);
  if (newestFirst) messages.reverse();
  for (const message of messages) {
    s.output.result(plainText(message), s.output.json ? '' : await renderMessage(message, names));
  }
  if (messages.length === 0) {
    s.output.note('Nothing is kept: a message goes when every device has it. `godwit keep` changes that.');
  }
}

async function receipts(s: Session, to: string, seq: number | undefined): Promise<void> {
  const names = new Names(s);
  const conversationId = await names.conversation(to);
  const wanted = seq ?? 0;
  const marks = [];
  let pageToken = '';
  do {
    const page = await s.call('getReceipts', { conversationId, seq: BigInt(wanted), pageSize: 500, pageToken });
    marks.push(...page.marks);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  const tick = (mark: bigint): string =>
    wanted === 0 ? (mark === 0n ? '-' : `#${String(mark)}`) : Number(mark) >= wanted ? 'yes' : 'not yet';
  const rows = s.output.json
    ? []
    : await Promise.all(
        marks.map(async ({ userId, deliveredSeq, readSeq }) => [
          await names.show(userId),
          tick(deliveredSeq),
          tick(readSeq),
        ]),
      );
  const none = 'nobody else has anything of it yet';
  s.output.result(marks, rows.length === 0 ? none : table([['member', 'has', 'has read'], ...rows]));
}

async function presence(s: Session, users: string[]): Promise<void> {
  const names = new Names(s);
  const userIds = await Promise.all(users.map((user) => names.user(user)));
  const { presences } = await s.call('getPresence', { userIds });
  const rows = await Promise.all(
    presences.map(async ({ userId, online, lastSeenMs }) => [
      s.output.json ? userId : await names.show(userId),
      online ? 'online' : lastSeenMs === 0n ? 'offline' : `last seen ${ago(Number(lastSeenMs))}`,
    ]),
  );
  s.output.result(presences, table(rows));
}
