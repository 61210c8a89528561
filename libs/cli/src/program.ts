import { Command, Option } from 'commander';
import { addAccountCommands } from './commands/account.js';
import { addGroupCommands } from './commands/groups.js';
import { addMessageCommands } from './commands/messages.js';
import { addPeopleCommands } from './commands/people.js';
import { addSignInCommands } from './commands/sign-in.js';
import { addStatusCommand } from './commands/status.js';
import { addTraceCommand } from './commands/trace.js';
import { addresses } from './parse.js';
import { Session, type GlobalOptions } from './session.js';

const AFTER_HELP = `
<to> is a user name (@alice or alice), a phone number (+12025550101), a user id, the name of a group you are in, or a
conversation id (p:… or g:…). \`godwit <command> --help\` tells more of each command.

Examples:
  godwit --profile alice register --phone +12025550101 --name alice
  godwit --profile alice chat @bob
  godwit --profile alice send @bob "landed in Auckland"
  uptime | godwit send Operations -
  godwit --profile alice --json listen | jq 'select(.event == "message").text'
  godwit --profile alice group create Birds @bob @carol

Environment:
  GODWIT_PROFILE    which profile (default: default)
  GODWIT_EDGES      edges, ws://host:port,ws://host:port
  GODWIT_API_KEY    the app's API key, for register and login; an operator's, for trace
  GODWIT_ROUTERS    routers, host:port,host:port, for trace
  GODWIT_STATE_DIR  the --state-dir of a local stack: its edges, routers and API key are used
  GODWIT_HOME       where profiles are kept (default: ~/.config/godwit)
  NO_COLOR          no colours

Exit codes: 0 done, 1 refused by the server, 2 wrong usage, 3 no connection, 4 not signed in, 70 something is broken.`;

export function buildProgram(newSession = (options: GlobalOptions): Session => new Session(options)): Command {
  const program = new Command('godwit')
    .description('Chat through Godwit: register a device, send, listen, read, manage groups.')
    .version('0.1.0')
    .addOption(new Option('--profile <name>', 'which signed-in device').default('default').env('GODWIT_PROFILE'))
    .option('--edge <url>', 'an edge to use, ws://host:port; may be repeated', addresses)
    .option('--json', 'a JSON value a line, for scripts')
    .addHelpText('after', AFTER_HELP)
    .helpCommand(false)
    .showHelpAfterError('(godwit --help tells more)')
    .configureOutput({
      // With --json the error output has one JSON value, which `main` writes.
      writeErr: (text) => {
        if (program.opts<GlobalOptions>().json !== true) process.stderr.write(text);
      },
    })
    .exitOverride();
  const session = (command: Command): Session => newSession(command.optsWithGlobals<GlobalOptions>());
  program.commandsGroup('Sign in:');
  addSignInCommands(program, session);
  program.commandsGroup('Messages:');
  addMessageCommands(program, session);
  program.commandsGroup('Groups and people:');
  addGroupCommands(program, session);
  addPeopleCommands(program, session);
  program.commandsGroup('This device and account:');
  addAccountCommands(program, session);
  addStatusCommand(program, session);
  program.commandsGroup('For operators:');
  addTraceCommand(program, session);
  return program;
}
