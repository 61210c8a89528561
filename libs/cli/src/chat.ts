import { setTimeout as delay } from 'node:timers/promises';
import { parseConversation, peerOf } from '@godwit/ids/conversation';
import type { GodwitClient } from '@godwit/client/client';
import { RefusedError } from '@godwit/client/errors';
import { messageOf, payloadOf, type Message, type Outgoing } from '@godwit/client/message';
import pc from 'picocolors';
import { CHAT_HELP, parseChatInput, type ChatInput } from './chat-input.js';
import { ChatScreen } from './chat-screen.js';
import { connect, endedError } from './connect.js';
import { explain } from './explain.js';
import { printEvents } from './listen.js';
import { Names } from './names.js';
import { ago } from './output.js';
import { plainText } from './plain.js';
import { renderMessage } from './render.js';
import type { Session } from './session.js';
import { Ticks, type Mark, type Tick } from './ticks.js';
import { TypingStatus } from './typing-status.js';

const TYPING_EVERY_MS = 2_000;
/** An own message that is not stored by then is shown as one that waits. */
const SLOW_MS = 700;
/** How long a chat that is left waits for what is still on its way. */
const FAREWELL_MS = 3_000;

/** An interactive chat; lines of a pipe are sent one after the other. */
export async function runChat(session: Session, to: string): Promise<void> {
  const names = new Names(session);
  const conversationId = await names.conversation(to);
  const client = await session.client();
  const { userId } = await session.profile();
  await new Chat({ session, names, client, conversationId, userId }).run();
}

interface ChatParts {
  readonly session: Session;
  readonly names: Names;
  readonly client: GodwitClient;
  readonly conversationId: string;
  readonly userId: string;
}

class Chat {
  readonly #parts: ChatParts;
  readonly #screen: ChatScreen;
  readonly #interactive: boolean;
  readonly #json: boolean;
  readonly #ticks = new Ticks(1);
  readonly #typing: TypingStatus;
  /** Lines appear in the order of their events, though names have to be looked up for some. */
  #tail: Promise<void> = Promise.resolve();
  readonly #online = new Map<string, boolean>();
  #lastOwn = 0;
  #typedAt = 0;
  #wasOnline = false;
  #failure: Error | undefined;

  constructor(parts: ChatParts) {
    this.#parts = parts;
    this.#json = parts.session.output.json;
    this.#interactive = process.stdin.isTTY && process.stdout.isTTY && !this.#json;
    this.#screen = new ChatScreen({
      input: process.stdin,
      output: process.stdout,
      interactive: this.#interactive,
      onKey: this.#onKey,
    });
    this.#typing = new TypingStatus((status) => {
      this.#screen.status = status;
    });
  }

  async run(): Promise<void> {
    const { client, conversationId, names } = this.#parts;
    this.#note(`Chat with ${pc.bold(await names.title(conversationId))}. /help for help, /quit to leave.`);
    this.#listen();
    await connect(client);
    await this.#watch();
    for await (const line of this.#screen.lines()) {
      const input = parseChatInput(line);
      if (input.do === 'quit') break;
      await this.#do(input).catch((error: unknown) => {
        this.#failed(error);
      });
    }
    await this.#leave();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #leave(): Promise<void> {
    const { client } = this.#parts;
    this.#typing.clear();
    const until = Date.now() + FAREWELL_MS;
    while (client.unsent > 0 && client.state !== 'ended' && Date.now() < until) await delay(20);
    if (client.unsent > 0) {
      this.#note(`${String(client.unsent)} not sent yet: they go out when this profile is opened next.`);
    }
    await this.#tail;
    await client.close();
  }

  #listen(): void {
    const { client, conversationId, names, session } = this.#parts;
    if (this.#json) printEvents(client, session.output);
    client.on('message', (message) => {
      this.#queue(() => this.#arrived(message));
    });
    client.on('receipt', (receipt) => {
      if (receipt.conversationId === conversationId && receipt.userId !== this.#parts.userId) this.#marked(receipt);
    });
    client.on('typing', ({ userId, stopped }) => {
      this.#queue(async () => {
        const who = await names.show(userId);
        if (stopped) this.#typing.stopped(who);
        else this.#typing.typing(who);
      });
    });
    client.on('presence', ({ userId, online, lastSeenMs }) => {
      // After a reconnect the state comes again.
      if (this.#online.get(userId) === online) return;
      this.#online.set(userId, online);
      this.#queue(async () => {
        const away = lastSeenMs === 0 ? 'offline' : `away, last seen ${ago(lastSeenMs)}`;
        this.#note(`${await names.show(userId)} is ${online ? 'online' : away}`);
      });
    });
    client.on('state', ({ state, detail }) => {
      if (state === 'offline') this.#note(`No connection (${detail}); trying again.`);
      if (state === 'online' && this.#wasOnline) this.#note('Connected again.');
      this.#wasOnline ||= state === 'online';
    });
    client.on('ended', (reason) => {
      this.#failure ??= endedError(reason);
      this.#screen.close();
    });
  }

  async #arrived(message: Message): Promise<void> {
    const { client, conversationId, names } = this.#parts;
    const here = message.conversationId === conversationId;
    const line = this.#json ? '' : await renderMessage(message, names);
    this.#typing.wrote(await names.show(message.from.userId));
    const title = here || this.#json ? '' : `${pc.dim(`[${await names.title(message.conversationId)}]`)} `;
    this.#print(title + line, { event: 'message', ...plainText(message) });
    if (here && this.#interactive) client.read(conversationId, message.seq);
    if (here && message.kind === 'membership') await this.#countOthers();
  }

  /** Hears of the others, where the server lets us. */
  async #watch(): Promise<void> {
    const { client, conversationId, userId } = this.#parts;
    const parsed = parseConversation(conversationId);
    const peer = parsed?.kind === 'private' ? peerOf(parsed, userId) : undefined;
    await this.#countOthers();
    try {
      if (peer !== undefined) await client.subscribe({ userIds: [peer] });
      await client.subscribe({ conversationIds: [conversationId] });
    } catch (error) {
      // A chat that has not begun has no members yet: typing comes with the next start.
      if (!(error instanceof RefusedError)) throw error;
    }
  }

  async #countOthers(): Promise<void> {
    const { session, conversationId } = this.#parts;
    if (parseConversation(conversationId)?.kind !== 'group') return;
    const { group } = await session.call('getGroup', { conversationId });
    this.#ticks.others = Math.max(1, (group?.memberCount ?? 2) - 1);
  }

  async #do(input: ChatInput): Promise<void> {
    switch (input.do) {
      case 'send':
        return this.#send(input.outgoing);
      case 'history':
        return this.#history(input.count);
      case 'who':
        return this.#who();
      case 'help':
        this.#note(CHAT_HELP);
        return;
      case 'explain':
        if (this.#interactive) this.#note(input.problem);
        else throw new TypeError(input.problem);
        return;
      case 'nothing':
      case 'quit':
    }
  }

  async #send(outgoing: Outgoing): Promise<void> {
    const sent = this.#sendAndShow(outgoing);
    // At the keyboard one goes on typing while it is on its way; a pipe ends when all is stored.
    if (!this.#interactive) return sent;
    sent.catch((error: unknown) => {
      this.#failed(error);
    });
  }

  async #sendAndShow(outgoing: Outgoing): Promise<void> {
    const { client, conversationId, names, userId } = this.#parts;
    const slow = setTimeout(() => {
      if (outgoing.text !== undefined) this.#note(`… ${outgoing.text}`);
    }, SLOW_MS);
    try {
      const sent = await client.send(conversationId, outgoing);
      this.#lastOwn = Math.max(this.#lastOwn, sent.seq);
      const message: Message = {
        ...sent,
        from: { userId, deviceId: client.deviceId },
        timestampMs: sent.serverTimeMs,
        targetSeq: outgoing.targetSeq ?? 0,
        content: payloadOf(outgoing).content,
        kind: payloadOf(outgoing).content.case ?? 'unknown',
      };
      await this.#turnOf(sent.seq);
      this.#queue(async () => {
        if (!this.#json) this.#print(`${await renderMessage(message, names)} ${pc.green('✓')}`, undefined);
        this.#tick(this.#ticks.sent(sent.seq));
      });
    } finally {
      clearTimeout(slow);
    }
  }

  /** An ack may be faster than the message before it: the own one is shown at its place all the same. */
  async #turnOf(seq: number): Promise<void> {
    const { client, conversationId } = this.#parts;
    const until = Date.now() + FAREWELL_MS;
    while (client.seen(conversationId) < seq && Date.now() < until) await delay(20);
  }

  #marked(mark: Mark): void {
    this.#tick(this.#ticks.marked(mark));
  }

  #tick(tick: Tick | undefined): void {
    if (tick === undefined || this.#json) return;
    const { names, conversationId, userId } = this.#parts;
    this.#queue(async () => {
      const parsed = parseConversation(conversationId);
      const peer = parsed?.kind === 'private' ? peerOf(parsed, userId) : undefined;
      const who = peer === undefined ? 'all' : await names.show(peer);
      const has = peer === undefined ? 'have' : 'has';
      const upTo = `#${String(tick.seq)}`;
      this.#print(
        tick.kind === 'read' ? pc.cyan(`✓✓ ${who} ${has} read ${upTo}`) : pc.dim(`✓✓ ${who} ${has} ${upTo}`),
        undefined,
      );
    });
  }

  async #history(limit: number): Promise<void> {
    const { client, conversationId, names } = this.#parts;
    const page = await client.fetch({ conversationId, limit, newestFirst: true });
    for (const deliver of page.messages.reverse()) {
      const message = messageOf(deliver);
      this.#print(await renderMessage(message, names), plainText(message));
    }
    if (page.messages.length === 0) this.#note('Nothing is kept here: a message goes when every device has it.');
  }

  async #who(): Promise<void> {
    const { client, conversationId, names, userId } = this.#parts;
    const { marks } = await client.call('getReceipts', { conversationId, seq: BigInt(this.#lastOwn) });
    for (const mark of marks) {
      if (mark.userId === userId) continue;
      const text = `${await names.show(mark.userId)} has up to #${String(mark.deliveredSeq)}, has read up to #${String(mark.readSeq)}`;
      this.#print(pc.dim(text), mark);
    }
  }

  readonly #onKey = (): void => {
    const { draft } = this.#screen;
    if (draft === '' || draft.startsWith('/') || Date.now() - this.#typedAt < TYPING_EVERY_MS) return;
    this.#typedAt = Date.now();
    this.#parts.client.typing(this.#parts.conversationId);
  };

  #queue(work: () => Promise<void>): void {
    this.#tail = this.#tail.then(work).catch((error: unknown) => {
      this.#failed(error);
    });
  }

  #failed(error: unknown): void {
    if (!this.#interactive) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      return;
    }
    this.#screen.print(explain(error, false));
  }

  #note(text: string): void {
    if (!this.#json) this.#print(pc.dim(text), undefined);
  }

  #print(text: string, value: unknown): void {
    if (this.#json) {
      if (value !== undefined) this.#parts.session.output.result(value, '');
    } else {
      this.#screen.print(text);
    }
  }
}
