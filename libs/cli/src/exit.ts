/** Exit codes, as `godwit --help` tells them. */
export const EXIT = { done: 0, refused: 1, usage: 2, noConnection: 3, signedOut: 4 } as const;

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
