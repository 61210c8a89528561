import { clearScreenDown, createInterface, moveCursor, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import pc from 'picocolors';
import { displayWidth } from './terminal-text.js';

const PROMPT = '> ';

export interface ScreenParts {
  readonly input: Readable;
  readonly output: Writable & { readonly columns?: number };
  /** A keyboard and a terminal; otherwise lines come from a pipe. */
  readonly interactive: boolean;
  readonly onKey: () => void;
}

/** Where a chat is read and typed: lines appear above what is being typed. */
export class ChatScreen {
  readonly #parts: ScreenParts;
  #reader: Interface | undefined;
  #status = '';
  /** Between the return key and the next prompt nothing is being typed. */
  #typing = false;

  constructor(parts: ScreenParts) {
    this.#parts = parts;
  }

  /** Every line that is typed, until the end of the input or `close`. */
  async *lines(): AsyncGenerator<string> {
    const { input, output, interactive, onKey } = this.#parts;
    const reader = createInterface({ input, output, terminal: interactive });
    this.#reader = reader;
    if (interactive) {
      input.on('keypress', onKey);
      this.#prompt(false);
    }
    try {
      for await (const line of reader) {
        this.#typing = false;
        if (interactive) this.#erase(line);
        yield line;
        if (interactive) this.#prompt(false);
      }
    } finally {
      input.off('keypress', onKey);
      this.#typing = false;
      reader.close();
    }
  }

  /** What is being typed. */
  get draft(): string {
    return this.#typing ? (this.#reader?.line ?? '') : '';
  }

  close(): void {
    this.#reader?.close();
  }

  print(text: string): void {
    this.#clear();
    this.#parts.output.write(`${text}\n`);
    if (this.#typing) this.#prompt(true);
  }

  /** Stands before the prompt while it is true: who is typing. */
  set status(text: string) {
    if (text === this.#status || !this.#parts.interactive) return;
    this.#clear();
    this.#status = text;
    if (this.#typing) this.#prompt(true);
  }

  #prompt(keepCursor: boolean): void {
    this.#typing = true;
    this.#reader?.setPrompt(pc.dim(`${this.#status === '' ? '' : `${this.#status} `}${PROMPT}`));
    this.#reader?.prompt(keepCursor);
  }

  #clear(): void {
    if (!this.#typing || this.#reader === undefined) return;
    const { output } = this.#parts;
    moveCursor(output, 0, -this.#reader.getCursorPos().rows);
    output.write('\r');
    clearScreenDown(output);
  }

  /** Takes a typed line off the screen: it comes back as a message, with its place. */
  #erase(line: string): void {
    const { output } = this.#parts;
    const width = displayWidth(this.#status === '' ? '' : `${this.#status} `) + PROMPT.length + displayWidth(line);
    moveCursor(output, 0, -Math.max(1, Math.ceil(width / (output.columns ?? 80))));
    output.write('\r');
    clearScreenDown(output);
  }
}
