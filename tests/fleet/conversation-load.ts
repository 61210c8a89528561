import type { GodwitClient } from '@godwit/client/client';
import type { Sent } from '@godwit/client/outbox';
import { expect } from 'vitest';
import type { Watched } from './people.js';

/** People who keep sending numbered texts into one conversation while something happens. */
export class ConversationLoad {
  readonly #conversation: string;
  readonly #writers: readonly GodwitClient[];
  readonly acked = new Map<string, number>();
  #going = true;
  readonly #work: Promise<void>[];

  constructor(conversation: string, writers: readonly Watched[]) {
    this.#conversation = conversation;
    this.#writers = writers.map(({ client }) => client);
    this.#work = this.#writers.map((client, writer) => this.#write(client, writer));
  }

  async #write(client: GodwitClient, writer: number): Promise<void> {
    for (let i = 0; this.#going; i += 1) {
      const text = `${String(writer)}/${String(i)}`;
      const sent: Sent = await client.send(this.#conversation, { text });
      this.acked.set(text, sent.seq);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Ends the writing; resolves when the last send is acked. */
  async finish(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#work);
  }

  /** What a device must have shown: every acked text that is not its own, once, in the order of seq. */
  expected(except?: number): string[] {
    return [...this.acked]
      .filter(([text]) => !text.startsWith(`${String(except)}/`))
      .sort(([, a], [, b]) => a - b)
      .map(([text]) => text);
  }

  /** No two acked messages share a place. */
  checkPlaces(): void {
    expect(new Set(this.acked.values()).size).toBe(this.acked.size);
  }
}
