import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { statOf } from '../process/process-identity.js';
import { existingServersFrom } from '../servers/existing-servers.js';
import { observe } from './observe.js';
import { Stack } from '../stack.js';
import { StackError } from '../stack-error.js';
import { readState, removeState, type StackMoment, startingState, stateOf, writeState } from '../state-file.js';
import { fleetWith, type PortPlan } from '../topology.js';
import { headlineOf, statusRows, tableOf } from './status.js';
import { usageOf } from './usage.js';

export interface StartOptions {
  readonly dir: string;
  readonly ports: PortPlan;
  readonly mongoMembers: 1 | 3;
  readonly detach: boolean;
  /** Forgets all data of earlier starts first. */
  readonly fresh: boolean;
  /** A Prometheus beside the fleet, where one can be had. */
  readonly observe: boolean;
  /** See `fleetWith`. */
  readonly replicas?: string | undefined;
}

export async function start(options: StartOptions): Promise<number> {
  const running = readState(options.dir);
  if (running !== undefined) {
    console.log(`Already running. ${headlineOf(running)}`);
    console.log(tableOf(await statusRows(running)));
    if (running.status === 'running') console.log(usageOf(running, options.dir));
    return 0;
  }
  if (options.fresh) forgetData(options.dir);
  return options.detach ? startDetached(options) : startInForeground(options);
}

/** Only what the stack itself has written: the folder may be one that holds other things, too. */
function forgetData(dir: string): void {
  for (const entry of ['servers', 'logs', 'sms.log']) rmSync(path.join(dir, entry), { recursive: true, force: true });
}

/** Settings of services from the shell of the launcher, such as GODWIT_LOG_LEVEL. */
function passedOn(): Record<string, string | undefined> {
  const ours = /^GODWIT_(PORT_|CACHE$|STATE_DIR$|DETACHED$|.*_BIN$|MONGO_URL|NATS_URL|REDIS_URL|NAMESPACE$)/;
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => /^(GODWIT|OTEL)_/.test(name) && !ours.test(name)),
  );
}

async function startInForeground({ observe: observed, replicas, ...options }: StartOptions): Promise<number> {
  const { dir, ports, mongoMembers } = options;
  const since = startingState();
  writeState(dir, since);
  const stopping = stopSignal();
  let moment: StackMoment = { status: 'starting', since };
  try {
    const stack = await Stack.start({
      dir,
      ports,
      mongo: { members: mongoMembers },
      ...(replicas === undefined ? {} : { fleet: fleetWith(replicas) }),
      supervise: true,
      env: passedOn(),
      namespace: process.env['GODWIT_NAMESPACE'] ?? 'godwit',
      existing: existingServersFrom(process.env),
      report: say,
      signal: stopping.signal,
      onChange: (changed) => {
        writeState(dir, stateOf(changed, moment));
      },
    });
    await using observing = observed
      ? await observe(stack, { port: ports.http + PROMETHEUS_OFFSET, report: say })
      : undefined;
    moment = { status: 'running', since, prometheus: observing?.server };
    writeState(dir, stateOf(stack, moment));
    console.log(usageOf(stateOf(stack, moment), dir));
    await stopping.requested;
    moment = { ...moment, status: 'stopping' };
    writeState(dir, stateOf(stack, moment));
    await stopping.unlessAskedTwice(stack);
    say('Everything has stopped.');
    return 0;
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    say('Start given up, nothing is left running.');
    return 130;
  } finally {
    removeState(dir);
  }
}

function say(line: string): void {
  console.log(`${new Date().toLocaleTimeString('en-GB')} ${line}`);
}

interface StopSignal {
  readonly signal: AbortSignal;
  readonly requested: Promise<void>;
  /** Stops the stack in good order, or at once when asked a second time. */
  unlessAskedTwice(stack: Stack): Promise<void>;
}

/** From the first port of the internal HTTP. */
const PROMETHEUS_OFFSET = 90;
const PARENT_CHECK_MS = 500;

function stopSignal(): StopSignal {
  const first = new AbortController();
  const second = new AbortController();
  const ask = (why: string): void => {
    if (first.signal.aborted) {
      second.abort();
      return;
    }
    say(`${why}: stopping. Once more to stop at once.`);
    first.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask);
  watchParent(first.signal, ask);
  const aborted = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => {
        resolve();
      });
    });
  return {
    signal: first.signal,
    requested: aborted(first.signal),
    unlessAskedTwice: (stack) => Promise.race([stack.stop(), aborted(second.signal).then(() => stack.killAll())]),
  };
}

/** npm killed with SIGKILL can't pass a signal on: an npm script without its npm stops by itself. */
function watchParent(stopped: AbortSignal, ask: (why: string) => void): void {
  if (process.env['npm_lifecycle_event'] === undefined || process.env['GODWIT_DETACHED'] !== undefined) return;
  const born = ancestry();
  const timer = setInterval(() => {
    const orphaned = ancestry() !== born;
    if (orphaned && !stopped.aborted) ask('npm has gone');
    if (orphaned || stopped.aborted) clearInterval(timer);
  }, PARENT_CHECK_MS);
  timer.unref();
}

/** Our parent, and where that is the shell which npm runs scripts with, its parent, too. */
function ancestry(): string {
  const parent = process.ppid;
  if (process.platform !== 'linux' || parent <= 1) return String(parent);
  const { command, parent: grandparent } = statOf(parent);
  return ['sh', 'dash', 'bash'].includes(command) ? `${String(parent)} ${String(grandparent)}` : String(parent);
}

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

/** Starts a launcher in a session of its own, shows what it says until the stack is ready, and leaves it alone. */
async function startDetached({ dir, ports, mongoMembers, observe: observed, replicas }: StartOptions): Promise<number> {
  const logFile = path.join(dir, 'logs', 'launcher.log');
  mkdirSync(path.dirname(logFile), { recursive: true });
  const log = openSync(logFile, 'w');
  const portArgs = Object.entries(ports).flatMap(([kind, port]) => [`--${kind}-port`, String(port)]);
  const args = [MAIN, 'start', '--state-dir', dir, '--mongo-members', String(mongoMembers), ...portArgs];
  if (observed) args.push('--observe');
  if (replicas !== undefined) args.push('--replicas', replicas);
  const launcher = spawn(process.execPath, args, {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, GODWIT_DETACHED: '1' },
  });
  closeSync(log);
  launcher.unref();
  let shown = 0;
  for (;;) {
    const ended = launcher.exitCode !== null || launcher.signalCode !== null;
    const ready = readState(dir)?.status === 'running';
    const text = readFileSync(logFile, 'utf8');
    process.stdout.write(text.slice(shown));
    shown = text.length;
    if (ended) throw new StackError(`The stack did not start; its launcher's words are above and in ${logFile}.`);
    if (ready) break;
    await delay(100);
  }
  console.log(`It runs in the background (pid ${String(launcher.pid)}). Stop it with npm stop.`);
  return 0;
}
