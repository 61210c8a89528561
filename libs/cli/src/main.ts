import { Command, CommanderError, Option } from 'commander';
import { NoAnswerError, RefusedError } from '@godwit/client/errors';
import pc from 'picocolors';
import { addAccountCommands } from './commands/account.js';
import { addGroupCommands } from './commands/groups.js';
import { addMessageCommands } from './commands/messages.js';
import { addStatusCommand } from './commands/status.js';
import { CliError, EXIT, type ExitCode } from './exit.js';
import { Session, type GlobalOptions } from './session.js';

const AFTER_HELP = `
<to> is a user name (@alice or alice), a phone number (+12025550101), a user id, or a conversation id (p:… or g:…).

Examples:
  godwit --profile alice register --phone +12025550101 --name alice
  godwit --profile alice chat @bob
  godwit --profile alice send @bob "landed in Auckland"
  godwit --profile alice --json listen | jq 'select(.event == "message")'
  godwit --profile alice group create Birds @bob @carol

Environment:
  GODWIT_PROFILE   which profile (default: default)
  GODWIT_EDGES     edges, ws://host:port,ws://host:port
  GODWIT_API_KEY   the app's API key, for register and login
  GODWIT_HOME      where profiles are kept (default: ~/.config/godwit)
  NO_COLOR         no colours

Exit codes: 0 done, 1 refused by the server, 2 wrong usage, 3 no connection, 4 not signed in.`;

export function buildProgram(): Command {
  const program = new Command('godwit')
    .description('Chat through Godwit: register a device, send, listen, read, manage groups.')
    .version('0.1.0')
    .addOption(new Option('--profile <name>', 'which signed-in device').default('default').env('GODWIT_PROFILE'))
    .option('--edge <url...>', 'edges to use, ws://host:port')
    .option('--json', 'a JSON object a line, for scripts')
    .addHelpText('after', AFTER_HELP)
    .showHelpAfterError('(godwit --help tells more)')
    .exitOverride();
  const session = (command: Command): Session => new Session(command.optsWithGlobals<GlobalOptions>());
  addAccountCommands(program, session);
  addMessageCommands(program, session);
  addGroupCommands(program, session);
  addStatusCommand(program, session);
  return program;
}

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CliError) return error.code;
  if (error instanceof NoAnswerError) return EXIT.noConnection;
  if (error instanceof RefusedError) {
    return error.reason === 'UNAUTHENTICATED' || error.reason === 'TOKEN_EXPIRED' ? EXIT.signedOut : EXIT.refused;
  }
  return EXIT.usage;
}

function explain(error: unknown, json: boolean): void {
  const message = error instanceof Error ? error.message : String(error);
  const refused = error instanceof RefusedError ? error : undefined;
  if (json) {
    const { reason, field } = refused ?? {};
    process.stderr.write(`${JSON.stringify({ error: message, reason, field })}\n`);
    return;
  }
  const field = refused?.field === undefined ? '' : ` (${refused.field})`;
  const reason = refused === undefined ? '' : pc.dim(` [${refused.reason}${field}]`);
  process.stderr.write(`${pc.red('godwit:')} ${message}${reason}\n`);
}

async function main(): Promise<void> {
  const program = buildProgram();
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
      return;
    }
    if (!(
      error instanceof CliError ||
      error instanceof RefusedError ||
      error instanceof NoAnswerError ||
      error instanceof TypeError
    ))
      throw error;
    explain(error, program.opts<GlobalOptions>().json ?? false);
    process.exitCode = exitCodeOf(error);
  }
}

await main();
