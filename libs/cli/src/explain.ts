import { RefusedError } from '@godwit/client/errors';
import { CommanderError } from 'commander';
import pc from 'picocolors';
import { EXIT, exitCodeOf } from './exit.js';
import { printable } from './terminal-text.js';

/** What goes to the error output for an error that ends a command, without the newline. */
export function explain(error: unknown, json: boolean): string {
  const message = messageOf(error);
  const code = exitCodeOf(error);
  const { reason, field, retryAfterMs = 0 } = error instanceof RefusedError ? error : {};
  if (json) {
    return JSON.stringify({ error: message, reason, field, ...(retryAfterMs > 0 ? { retryAfterMs } : {}), exit: code });
  }
  const where = field === undefined ? '' : ` (${field})`;
  const why = reason === undefined ? '' : pc.dim(` [${reason}${where}]`);
  const hint = code === EXIT.signedOut && reason !== undefined ? pc.dim('\nSign in again: godwit login') : '';
  // Some services say "takes 1 to 100 characters" of a field that only the brackets would name.
  const subject = reason === 'INVALID_ARGUMENT' && field !== undefined && !message.includes(field) ? `${field}: ` : '';
  return `${pc.red('godwit:')} ${printable(subject + message)}${why}${hint}`;
}

function messageOf(error: unknown): string {
  // Commander writes its messages by itself, with this word before them.
  if (error instanceof CommanderError) {
    return error.code === 'commander.help' ? 'which command?' : error.message.replace(/^error: /, '');
  }
  return error instanceof Error ? error.message : String(error);
}
