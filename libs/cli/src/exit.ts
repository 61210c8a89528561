import { isSignedOut, NoAnswerError, RefusedError } from '@godwit/client/errors';
import { CommanderError } from 'commander';

/** Exit codes, as `godwit --help` tells them. */
export const EXIT = { done: 0, refused: 1, usage: 2, noConnection: 3, signedOut: 4, broken: 70 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends the command with one sentence for the user. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: ExitCode;

  constructor(code: ExitCode, message: string) {
    super(message);
    this.code = code;
  }
}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CliError) return error.code;
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (error instanceof NoAnswerError) return EXIT.noConnection;
  if (isSignedOut(error)) return EXIT.signedOut;
  if (error instanceof RefusedError) return EXIT.refused;
  // The SDK's way to say that it was asked for something that does not exist, such as an address that is none.
  if (error instanceof TypeError) return EXIT.usage;
  return EXIT.broken;
}
