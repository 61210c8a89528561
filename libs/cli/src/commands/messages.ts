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
    .option('--count <n>', 'end after so many messages')
    .action(async (options: { count?: string }, self: Command) => {
      await runListen(session(self), options.count === undefined ? Infinity : Number(options.count));
    });

  program
    .command('send <to> [text...]')
    .description('send one message and say where it stands')
    .option('--reply <seq>', 'as an answer to this message')
    .option('--react <emoji>', 'a reaction instead of a text (with --to-seq)')
    .option('--edit', 'the text replaces an own message (with --to-seq)')
    .option('--delete', 'delete for everyone (with --to-seq)')
    .option('--location <lat,long>', 'a place instead of a text')
    .option('--to-seq <seq>', 'the message that a reaction, edit or delete is about')
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
    .option('-n, --count <n>', 'how many', '20')
    .option('--after <seq>', 'after this message, instead of the newest')
    .option('--since <time>', 'since this time (ISO 8601)')
    .action(async (to: string, options: { count: string; after?: string; since?: string }, self: Command) => {
      await history(session(self), to, options);
    });

  program
    .command('conversations')
    .description('what you are in')
    .action(async (_options: unknown, self: Command) => {
      await listConversations(session(self));
    });

  program
    .command('receipts <to> [seq]')
    .description('who has a message, who has read it')
    .action(async (to: string, seq: string | undefined, _options: unknown, self: Command) => {
      await receipts(session(self), to, seq);
    });

  program
    .command('presence <users...>')
    .description('who is online, and when the others were last seen')
    .action(async (users: string[], _options: unknown, self: Command) => {
      await presence(session(self), users);
    });

  program
    .command('keep <to> <days>')
    .description('keep messages for so many days; 0: only until all have them')
    .action(async (to: string, days: string, _options: unknown, self: Command) => {
      const s = session(self);
      const conversationId = await new Names(s).conversation(to);
      await s.call('setHistory', { conversationId, historyDays: Number(days) });
      s.output.result({ conversationId, historyDays: Number(days) }, 'done');
    });
}

interface SendOptions {
  readonly reply?: string;
  readonly react?: string;
  readonly edit?: boolean;
  readonly delete?: boolean;
  readonly location?: string;
  readonly toSeq?: string;
  readonly id?: string;
}

function outgoingOf(words: readonly string[], options: SendOptions): Outgoing {
  const text = words.join(' ');
  const targetSeq = Number(options.toSeq ?? options.reply ?? 0);
  if (options.react !== undefined) return { reaction: { emoji: options.react }, targetSeq };
  if (options.delete === true) return { delete: {}, targetSeq };
  if (options.edit === true) return { edit: { text }, targetSeq };
  if (options.location !== undefined) {
    const [latitude = NaN, longitude = NaN] = options.location.split(',').map(Number);
    return { location: { latitude, longitude, name: text } };
  }
  return { text, targetSeq };
}

async function sendOne(
  s: Session,
  to: string,
  { words, options }: { words: string[]; options: SendOptions },
): Promise<void> {
  const conversationId = await new Names(s).conversation(to);
  const outgoing = outgoingOf(words, options);
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
    { conversationId, clientMessageId, seq, serverTimeMs: outcome.value.serverTimeMs },
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

async function history(
  s: Session,
  to: string,
  options: { count: string; after?: string; since?: string },
): Promise<void> {
  const names = new Names(s);
  const conversationId = await names.conversation(to);
  const newestFirst = options.after === undefined && options.since === undefined;
  const fromMs = options.since === undefined ? 0 : Date.parse(options.since);
  const count = Number(options.count);
  if (Number.isNaN(fromMs))
    throw new CliError(EXIT.usage, `${String(options.since)} is not a time like 2026-11-24T10:00`);
  if (!(count >= 1 && count <= 256)) throw new CliError(EXIT.usage, '--count is 1 to 256');
  const page = await s.call('getMessages', {
    conversationId,
    count,
    afterSeq: BigInt(options.after ?? 0),
    fromMs: BigInt(fromMs),
    newestFirst,
  });
  const messages: Message[] = page.messages.map(messageOf);
  if (newestFirst) messages.reverse();
  for (const message of messages) {
    s.output.result(message, s.output.json ? '' : await renderMessage(message, names));
  }
  if (messages.length === 0) {
    s.output.note('Nothing is kept: a message goes when every device has it. `godwit keep` changes that.');
  }
}

async function receipts(s: Session, to: string, seq: string | undefined): Promise<void> {
  const names = new Names(s);
  const conversationId = await names.conversation(to);
  const wanted = Number(seq ?? 0);
  const marks = [];
  let pageToken = '';
  do {
    const page = await s.call('getReceipts', { conversationId, seq: BigInt(wanted), pageSize: 500, pageToken });
    marks.push(...page.marks);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  const tick = (mark: bigint): string =>
    wanted === 0 ? `#${String(mark)}` : Number(mark) >= wanted ? 'yes' : 'not yet';
  const rows = s.output.json
    ? []
    : await Promise.all(
        marks.map(async ({ userId, deliveredSeq, readSeq }) => [
          await names.show(userId),
          tick(deliveredSeq),
          tick(readSeq),
        ]),
      );
  s.output.result(marks, table([['member', 'has', 'has read'], ...rows]));
}

async function presence(s: Session, users: string[]): Promise<void> {
  const names = new Names(s);
  const userIds = await Promise.all(users.map((user) => names.user(user)));
  const { presences } = await s.call('getPresence', { userIds });
  const rows = await Promise.all(
    presences.map(async ({ userId, online, lastSeenMs }) => [
      s.output.json ? userId : await names.show(userId),
      online ? 'online' : lastSeenMs === 0n ? 'unknown' : `last seen ${ago(Number(lastSeenMs))}`,
    ]),
  );
  s.output.result(presences, table(rows));
}
