import { createInterface, type Interface } from 'node:readline';
import { parseConversation, peerOf } from '@godwit/ids/conversation';
import type { GodwitClient } from '@godwit/client/client';
import { RefusedError } from '@godwit/client/errors';
import type { Outgoing } from '@godwit/client/message';
import { messageOf } from '@godwit/client/message';
import pc from 'picocolors';
import { endedError } from './listen.js';
import { Names } from './names.js';
import { ago, clockTime } from './output.js';
import { renderMessage } from './render.js';
import type { Session } from './session.js';

const HELP = `Type to send. Messages have numbers (#12).
  /reply 12 text   answer a message        /react 12 👍    react to one
  /edit 12 text    change an own text      /delete 12     delete for everyone
  /history [n]     what is kept            /who           who has and has read the last one
  /quit            or Ctrl-C`;

const TYPING_EVERY_MS = 2_000;

/** An interactive chat; lines of a pipe are sent one after the other. */
export async function runChat(session: Session, to: string): Promise<void> {
  const names = new Names(session);
  const conversationId = await names.conversation(to);
  const client = await session.client();
  const chat = new Chat({ session, names, client, conversationId });
  await chat.run();
}

interface ChatParts {
  readonly session: Session;
  readonly names: Names;
  readonly client: GodwitClient;
  readonly conversationId: string;
}

class Chat {
  readonly #parts: ChatParts;
  readonly #reader: Interface;
  readonly #interactive = process.stdin.isTTY && process.stdout.isTTY;
  #tail: Promise<void> = Promise.resolve();
  #lastOwn = 0;
  #delivered = 0;
  #read = 0;
  #typedAt = 0;
  #failure: Error | undefined;

  constructor(parts: ChatParts) {
    this.#parts = parts;
    this.#reader = createInterface({ input: process.stdin, output: process.stdout, terminal: this.#interactive });
    this.#reader.setPrompt(pc.dim('> '));
  }

  async run(): Promise<void> {
    const { client, conversationId, names } = this.#parts;
    this.#listen();
    await client.connect();
    this.#note(`${await names.title(conversationId)} — /help for help, /quit to leave`);
    await this.#watch();
    if (this.#interactive) {
      process.stdin.on('keypress', this.#onKey);
      this.#reader.prompt();
    }
    for await (const line of this.#reader) {
      if (line.trim() === '/quit') break;
      await this.#line(line).catch((error: unknown) => {
        this.#failed(error);
      });
      if (this.#interactive) this.#reader.prompt();
    }
    this.#reader.close();
    await this.#tail;
    await client.close();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #listen(): void {
    const { client, conversationId, names } = this.#parts;
    client.on('message', (message) => {
      this.#queue(async () => {
        const here = message.conversationId === conversationId;
        const line = await renderMessage(message, names);
        this.#print(here ? line : `${pc.dim(`[${await names.title(message.conversationId)}]`)} ${line}`, message);
        if (here && this.#interactive) client.read(conversationId, message.seq);
      });
    });
    client.on('receipt', (receipt) => {
      if (receipt.conversationId === conversationId) this.#queue(() => this.#receipt(receipt));
    });
    client.on('typing', ({ userId, stopped }) => {
      if (stopped || !this.#interactive) return;
      this.#queue(async () => {
        this.#note(`${await names.show(userId)} is typing…`);
      });
    });
    client.on('presence', ({ userId, online, lastSeenMs }) => {
      this.#queue(async () => {
        const seen = lastSeenMs === 0 ? 'offline' : `last seen ${ago(lastSeenMs)}`;
        this.#note(`${await names.show(userId)} is ${online ? 'online' : seen}`);
      });
    });
    client.on('state', ({ state, detail }) => {
      if (state === 'offline') this.#note(`connection lost (${detail}); trying again`);
      if (state === 'online') this.#note(`connected to ${detail}`);
    });
    client.on('ended', (reason) => {
      if (reason === 'closed') return;
      this.#failure = endedError(reason);
      this.#reader.close();
    });
  }

  /** Hears of the others, where the server lets us. */
  async #watch(): Promise<void> {
    const { client, conversationId, session } = this.#parts;
    const parsed = parseConversation(conversationId);
    const { userId } = await session.profile();
    const peer = parsed?.kind === 'private' ? peerOf(parsed, userId) : undefined;
    try {
      if (peer !== undefined) await client.subscribe({ userIds: [peer] });
      await client.subscribe({ conversationIds: [conversationId] });
    } catch (error) {
      // A chat that has not begun has no members yet: typing comes with the next start.
      if (!(error instanceof RefusedError)) throw error;
    }
  }

  async #line(line: string): Promise<void> {
    if (line.trim() === '') return;
    const [command = '', first = '', ...rest] = line.split(' ');
    const targetSeq = Number(first.replace('#', ''));
    switch (command) {
      case '/help':
        this.#note(HELP);
        return;
      case '/history':
        return this.#history(Number(first || 20));
      case '/who':
        return this.#who();
      case '/reply':
        return this.#send({ text: rest.join(' '), targetSeq });
      case '/react':
        return this.#send({ reaction: { emoji: rest.join(' ') }, targetSeq });
      case '/edit':
        return this.#send({ edit: { text: rest.join(' ') }, targetSeq });
      case '/delete':
        return this.#send({ delete: {}, targetSeq });
      default:
        if (command.startsWith('/')) this.#note(`there is no ${command}; /help`);
        else await this.#send({ text: line });
    }
  }

  async #send(outgoing: Outgoing): Promise<void> {
    const { client, conversationId } = this.#parts;
    const sent = client.send(conversationId, outgoing).then((done) => {
      this.#lastOwn = Math.max(this.#lastOwn, done.seq);
      this.#print(
        `${pc.dim(`${clockTime(done.serverTimeMs)} #${String(done.seq)}`)} ${pc.green('✓')} ${pc.dim('sent')}`,
        done,
      );
    });
    // At the keyboard one goes on typing while it is on its way; a pipe ends when all is stored.
    if (!this.#interactive) return sent;
    sent.catch((error: unknown) => {
      this.#failed(error);
    });
  }

  async #receipt(receipt: { userId: string; deliveredSeq: number; readSeq: number }): Promise<void> {
    const { names, session } = this.#parts;
    const { userId } = await session.profile();
    if (receipt.userId === userId) return;
    const who = await names.show(receipt.userId);
    if (receipt.readSeq >= this.#lastOwn && receipt.readSeq > this.#read) {
      this.#read = receipt.readSeq;
      if (this.#lastOwn > 0)
        this.#print(pc.cyan(`✓✓ read by ${who}`) + pc.dim(` up to #${String(receipt.readSeq)}`), receipt);
    } else if (receipt.deliveredSeq >= this.#lastOwn && receipt.deliveredSeq > this.#delivered) {
      this.#delivered = receipt.deliveredSeq;
      if (this.#lastOwn > 0) this.#print(pc.dim(`✓✓ ${who} has it, up to #${String(receipt.deliveredSeq)}`), receipt);
    }
  }

  async #history(count: number): Promise<void> {
    const { client, conversationId, names } = this.#parts;
    const page = await client.fetch({ conversationId, limit: Math.min(256, count || 20), newestFirst: true });
    for (const deliver of page.messages.reverse()) {
      const message = messageOf(deliver);
      this.#print(await renderMessage(message, names), message);
    }
    if (page.messages.length === 0) this.#note('nothing is kept here');
  }

  async #who(): Promise<void> {
    const { client, conversationId, names } = this.#parts;
    const { marks } = await client.call('getReceipts', { conversationId, seq: BigInt(this.#lastOwn) });
    for (const { userId, deliveredSeq, readSeq } of marks) {
      this.#note(`${await names.show(userId)} has #${String(deliveredSeq)}, has read #${String(readSeq)}`);
    }
  }

  readonly #onKey = (): void => {
    if (this.#reader.line === '' || this.#reader.line.startsWith('/') || Date.now() - this.#typedAt < TYPING_EVERY_MS)
      return;
    this.#typedAt = Date.now();
    this.#parts.client.typing(this.#parts.conversationId);
  };

  #queue(work: () => Promise<void>): void {
    this.#tail = this.#tail.then(work).catch((error: unknown) => {
      this.#failed(error);
    });
  }

  #failed(error: unknown): void {
    if (!this.#interactive) this.#failure ??= error instanceof Error ? error : new Error(String(error));
    const text = error instanceof Error ? error.message : String(error);
    const reason = error instanceof RefusedError ? `${error.reason}: ` : '';
    this.#print(pc.red(`✗ ${reason}${text}`), { error: text });
  }

  #note(text: string): void {
    if (!this.#parts.session.output.json) this.#print(pc.dim(text), undefined);
  }

  /** A line above what is being typed. */
  #print(text: string, value: unknown): void {
    const { output } = this.#parts.session;
    if (output.json) {
      output.result(value, '');
      return;
    }
    if (!this.#interactive) {
      output.result(value, text);
      return;
    }
    process.stdout.write(`\r\x1b[K${text}\n`);
    this.#reader.prompt(true);
  }
}
