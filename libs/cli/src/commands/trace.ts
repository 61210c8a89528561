import { Option, type Command } from 'commander';
import type {
  EventsRead,
  Step,
  StepState,
  TraceMessageResponse,
  TraceStep,
} from '@godwit/proto/gen/grpc/godwit/router/v1/trace';
import { CliError, EXIT } from '../exit.js';
import { findLocalStack, STACK_HINT } from '../local-stack.js';
import { table } from '../output.js';
import { addresses, wholeNumber } from '../parse.js';
import type { Session } from '../session.js';
import { printable } from '../terminal-text.js';
import type { TraceTarget } from '../trace-call.js';

interface TraceOptions {
  readonly router?: readonly string[];
  readonly apiKey?: string;
  readonly user?: string;
}

// By the numbers of trace.proto; its generated code is loaded with gRPC, which no other command needs.
const STEPS: Readonly<Record<number, string>> = {
  1: 'accepted',
  2: 'stored',
  3: 'announced',
  4: 'fanned out',
  5: 'pushed',
  6: 'delivered',
  7: 'read',
  8: 'expired',
} satisfies Partial<Record<Step, string>>;
const STATES: Readonly<Record<number, string>> = { 1: 'done', 2: 'not yet', 3: 'unknown' } satisfies Partial<
  Record<StepState, string>
>;
const EVENTS: Readonly<Record<number, string>> = {
  1: 'complete',
  2: 'too old',
  3: 'bound exceeded',
  4: 'unavailable',
} satisfies Partial<Record<EventsRead, string>>;
const EVENTS_NOTE: Readonly<Record<string, string>> = {
  'too old': 'EVENTS begins after this message: what only EVENTS knows is unknown.',
  'bound exceeded': 'EVENTS has more than one trace reads: what was not found is unknown.',
  unavailable: 'NATS can not be asked now: what only EVENTS knows is unknown.',
};

export function addTraceCommand(program: Command, session: (command: Command) => Session): void {
  program
    .command('trace <conversation>')
    .argument('<seq>', 'the number of the message', wholeNumber(1))
    .description('for operators: where a message is, from accepted to read or expired')
    .option('--user <id>', 'only this recipient')
    .addOption(
      new Option('--router <host:port>', 'a router; may be repeated').argParser(addresses).env('GODWIT_ROUTERS'),
    )
    .addOption(new Option('--api-key <key>', 'an API key with the scope admin').env('GODWIT_API_KEY'))
    .addHelpText(
      'after',
      '\nInside the folder of a local stack, or with GODWIT_STATE_DIR, its routers and key are used. TLS: GODWIT_TLS_CERT, _KEY and _CA name the files.',
    )
    .action(async (conversationId: string, seq: number, options: TraceOptions, self: Command) => {
      const s = session(self);
      const { traceMessage } = await import('../trace-call.js');
      const answer = await traceMessage(targetOf(options), { conversationId, seq, userId: options.user ?? '' });
      s.output.result(valueOf(answer), traceText(answer));
    });
}

function targetOf(options: TraceOptions): TraceTarget {
  const local = findLocalStack();
  const { router: given = [] } = options;
  const routers = given.length > 0 ? given : (local?.routers ?? []);
  const apiKey = options.apiKey ?? local?.apiKey;
  if (routers.length === 0)
    throw new CliError(EXIT.usage, `no router known: give --router host:port, or ${STACK_HINT}`);
  if (apiKey === undefined) {
    const message = `an API key with the scope admin is needed: give --api-key or set GODWIT_API_KEY, or ${STACK_HINT}`;
    throw new CliError(EXIT.usage, message);
  }
  return { routers, apiKey };
}

function valueOf({ steps, events, recipients, recipientsLeftOut }: TraceMessageResponse): unknown {
  return {
    steps: steps.map(({ step, state, timeMs, ...rest }) => ({
      step: STEPS[step] ?? step,
      state: STATES[state] ?? state,
      ...(timeMs > 0 ? { timeMs } : {}),
      ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== '')),
    })),
    events: EVENTS[events] ?? events,
    recipients,
    recipientsLeftOut,
  };
}

/** The answer as a table. */
export function traceText({ steps, events, recipientsLeftOut }: TraceMessageResponse): string {
  const rows = steps.map((one) => [
    STEPS[one.step] ?? '',
    STATES[one.state] ?? '',
    one.timeMs > 0 ? `${isDue(one) ? 'due ' : ''}${new Date(one.timeMs).toISOString()}` : '',
    whoOf(one),
    printable([one.outcome, one.detail].filter((part) => part !== '').join(': ')),
  ]);
  const note = EVENTS_NOTE[EVENTS[events] ?? ''];
  const left = recipientsLeftOut > 0 ? `${String(recipientsLeftOut)} more recipients: ask with --user.` : undefined;
  const lines = [table([['step', 'state', 'time', 'who', ''], ...rows]), note, left];
  return lines.filter((line) => line !== undefined).join('\n');
}

/** The time of any other step that is not yet is that of an attempt. */
const isDue = ({ step, state }: TraceStep): boolean => STEPS[step] === 'expired' && STATES[state] === 'not yet';

function whoOf({ userId, deviceId, edgeId, provider }: TraceStep): string {
  const device = deviceId === '' ? '' : `device ${deviceId}`;
  return [edgeId, provider, userId, device].filter((part) => part !== '').join(' ');
}
