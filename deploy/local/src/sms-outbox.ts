import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { StackError } from './stack-error.js';

/** The newest code that the local SMS gateway has "sent" to a phone number; waits for it up to `timeoutMs`. */
export async function smsCode(outbox: string, phone: string, timeoutMs = 5000): Promise<string> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const code = newestCode(await readFile(outbox, 'utf8').catch(() => ''), phone);
    if (code !== undefined) return code;
    if (Date.now() > deadline) throw new StackError(`No code for ${phone} came into ${outbox}.`);
    await delay(25);
  }
}

/** A line holds the phone number (E.164) and the code, which is its last group of 4 to 8 digits. */
export function newestCode(text: string, phone: string): string | undefined {
  const line = text.split('\n').findLast((candidate) => candidate.includes(phone));
  return line
    ?.replace(phone, '')
    .match(/(?<!\d)\d{4,8}(?!\d)/g)
    ?.at(-1);
}
