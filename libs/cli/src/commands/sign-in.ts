import { createInterface } from 'node:readline/promises';
import { hostname } from 'node:os';
import type { Command } from 'commander';
import type { CallResponse, HttpCalls } from '@godwit/client/calls';
import { isSignedOut } from '@godwit/client/errors';
import { Platform } from '@godwit/proto/gen/client/godwit/account/v1/account_pb';
import { CliError, EXIT } from '../exit.js';
import { findLocalStack, STACK_HINT } from '../local-stack.js';
import type { Session } from '../session.js';

type WithSession = (command: Command) => Session;
type Validated = CallResponse<'validateAccount'>['outcome'];
type SignedIn = Extract<Validated, { case: 'signedIn' }>['value'];

interface SignInOptions {
  readonly phone: string;
  readonly name?: string;
  readonly apiKey?: string;
  readonly code?: string;
  readonly device: string;
  readonly replace?: boolean;
}

export function addSignInCommands(program: Command, session: WithSession): void {
  for (const kind of ['register', 'login'] as const) {
    const command = program
      .command(kind)
      .description(kind === 'register' ? 'make an account for a phone number' : 'sign this device in to an account')
      .requiredOption('-p, --phone <number>', 'phone number, like +12025550101')
      .option('--api-key <key>', "the app's API key (default: GODWIT_API_KEY, or the local stack's)")
      .option('--code <code>', 'the one-time code, instead of being asked for it')
      .option('--device <name>', 'name of this device', hostname())
      .option('--replace', 'forget who is signed in with this profile, unsent messages too');
    if (kind === 'register') command.option('-n, --name <name>', 'user name: 3 to 32 of a-z, 0-9 and _');
    command.action(async (options: SignInOptions, self: Command) => {
      await signIn(session(self), kind, options);
    });
  }

  program
    .command('logout')
    .description('sign this device out and forget its state')
    .action(async (_options: unknown, self: Command) => {
      const s = session(self);
      try {
        await s.call('logout', {});
      } catch (error) {
        // The server has forgotten it before.
        if (!isSignedOut(error)) throw error;
      }
      await s.folder.forget();
      s.output.result({ signedOut: true }, 'signed out');
    });
}

async function signIn(session: Session, kind: 'register' | 'login', options: SignInOptions): Promise<void> {
  const { folder, output } = session;
  const before = await folder.find();
  if (before !== undefined && options.replace !== true) {
    throw new CliError(
      EXIT.usage,
      `profile ${folder.name} is signed in as ${before.userName || before.userId}: ` +
        'log out first, use another --profile, or --replace it',
    );
  }
  // A profile that is replaced may name edges of another fleet.
  if (before !== undefined) await folder.forget();
  const http = await session.http();
  const verificationId = await requestCode(http, kind, options);
  output.note(`A code is on its way to ${options.phone}.`);
  const { profile, deviceId, tokens, userNameTaken } = await validated(http, { verificationId, options, session });
  const userId = profile?.userId ?? '';
  const userName = profile?.userName ?? '';
  await folder.signIn(
    { userId, deviceId, userName, edges: await session.edges() },
    {
      accessToken: tokens?.accessToken ?? '',
      accessExpiresAtMs: Number(tokens?.accessExpiresAtMs ?? 0n),
      refreshToken: tokens?.refreshToken ?? '',
    },
  );
  if (userNameTaken) output.note('That user name was taken in the meantime: `godwit profile --name` sets another.');
  output.result({ userId, deviceId, userName }, `Signed in as ${userName || userId} on this device.`);
}

async function requestCode(http: HttpCalls, kind: 'register' | 'login', options: SignInOptions): Promise<string> {
  const apiKey = options.apiKey ?? process.env['GODWIT_API_KEY'] ?? findLocalStack()?.apiKey;
  if (apiKey === undefined) {
    throw new CliError(EXIT.usage, `an API key is needed: give --api-key or set GODWIT_API_KEY, or ${STACK_HINT}`);
  }
  const device = { apiKey, phone: options.phone, deviceName: options.device, platform: Platform.DESKTOP };
  const started =
    kind === 'register'
      ? await http.call('registerUser', { ...device, userName: options.name ?? '' })
      : await http.call('loginUser', device);
  return started.verificationId;
}

interface Attempt {
  readonly verificationId: string;
  readonly options: SignInOptions;
  readonly session: Session;
}

/** Asks for the code until it is right, as often as the server lets one. */
async function validated(http: HttpCalls, { verificationId, options, session }: Attempt): Promise<SignedIn> {
  const asks = options.code === undefined && process.stdin.isTTY;
  for (;;) {
    const code = (options.code ?? (await askUser('Code: '))).trim();
    // A slip of the finger is no try, and does not end the sign-up.
    if (asks && !/^\d{6}$/.test(code)) {
      session.output.note('a code has 6 digits');
      continue;
    }
    const { outcome } = await http.call('validateAccount', { verificationId, code });
    if (outcome.case === 'signedIn') return outcome.value;
    const left = outcome.case === 'wrongCode' ? outcome.value.triesLeft : 0;
    const wrong = `wrong code; ${String(left)} ${left === 1 ? 'try' : 'tries'} left`;
    if (left === 0 || !asks) throw new CliError(EXIT.refused, wrong);
    session.output.note(wrong);
  }
}

async function askUser(question: string): Promise<string> {
  // On the error output, so that `--json` has the output for itself.
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  const closed = new AbortController();
  reader.once('close', () => {
    closed.abort();
  });
  try {
    return await reader.question(question, { signal: closed.signal });
  } catch (error) {
    if (closed.signal.aborted) throw new CliError(EXIT.usage, 'no code was given: type it, or say --code');
    throw error;
  } finally {
    reader.close();
  }
}
