import { RefusedError } from '@godwit/client/errors';
import pc from 'picocolors';
import { EXIT, exitCodeOf } from './exit.js';
import { printable } from './terminal-text.js';

/** What goes to the error output for an error that ends a command, without the newline. */
export function explain(error: unknown, json: boolean): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = exitCodeOf(error);
  const { reason, field, retryAfterMs = 0 } = error instanceof RefusedError ? error : {};
  if (json) {
    return JSON.stringify({ error: message, reason, field, ...(retryAfterMs > 0 ? { retryAfterMs } : {}), exit: code });
  }
  const where = field === undefined ? '' : ` (${field})`;
  const why = reason === undefined ? '' : pc.dim(` [${reason}${where}]`);
  const hint = code === EXIT.signedOut && reason !== undefined ? pc.dim('\nSign in again: godwit login') : '';
  return `${pc.red('godwit:')} ${printable(message)}${why}${hint}`;
}
