import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram, type Ran } from '@godwit/testkit/run-program';
import { waitFor } from '@godwit/testkit/wait-for';

export const ROOT = path.resolve(fileURLToPath(import.meta.url), '../../../..');

/** What run.sh says about the cluster. */
export const EDGE = process.env['GODWIT_CLUSTER_EDGE'] ?? 'ws://127.0.0.1:30080';
export const SCRATCH = process.env['GODWIT_CLUSTER_SCRATCH'] ?? '/tmp/godwit-cluster';

/** Runs a program of this machine to its end. */
export const run = (command: string, args: readonly string[], input = ''): Promise<Ran> =>
  runProgram(command, args, { cwd: ROOT, input });

/** @throws Error with what it said when it fails */
export async function succeed(command: string, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, input);
  if (code !== 0)
    throw new Error(`${command} ${args.join(' ')}: exit code ${String(code)}\n${stderr}\n${stdout.slice(-2_000)}`);
  return stdout;
}

export const kubectl = (...args: string[]): Promise<string> => succeed('kubectl', args);

export const namespaceOf = (service: string): string => (service === 'edge' ? 'godwit-edge' : 'godwit');

export interface Pod {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly ip: string;
  readonly ready: boolean;
}

interface PodList {
  readonly items: readonly {
    readonly metadata: {
      readonly uid: string;
      readonly name: string;
      readonly namespace: string;
      readonly deletionTimestamp?: string;
    };
    readonly status: { readonly podIP?: string; readonly conditions?: readonly { type: string; status: string }[] };
  }[];
}

/** The pods of a service or store that are not being deleted. */
export async function podsOf(name: string, namespace = namespaceOf(name)): Promise<Pod[]> {
  const text = await kubectl('-n', namespace, 'get', 'pods', '-l', `app.kubernetes.io/name=${name}`, '-o', 'json');
  return (JSON.parse(text) as PodList).items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata, status }) => ({
      uid: metadata.uid,
      name: metadata.name,
      namespace: metadata.namespace,
      ip: status.podIP ?? '',
      ready: status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false,
    }));
}

export async function somePod(name: string, namespace = namespaceOf(name)): Promise<Pod> {
  const pod = (await podsOf(name, namespace)).find(({ ready }) => ready);
  if (pod === undefined) throw new Error(`no pod of ${name} is ready`);
  return pod;
}

export const STATEFUL = ['message-store', 'router', 'session'];
export const SERVICES = ['account', 'edge', 'group', 'message-store', 'presence', 'push', 'router', 'session'];

/** Waits until all replicas of a service are there and up to date. */
export async function rolledOut(service: string, seconds = 180): Promise<void> {
  const kind = STATEFUL.includes(service) ? 'statefulset' : 'deployment';
  const timeout = `--timeout=${String(seconds)}s`;
  await kubectl('-n', namespaceOf(service), 'rollout', 'status', `${kind}/${service}`, timeout);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** `kubectl port-forward`, for as long as it is wanted. */
export async function forwarded(target: { namespace: string; what: string; port: number }) {
  const local = await freePort();
  const args = ['-n', target.namespace, 'port-forward', target.what, `${String(local)}:${String(target.port)}`];
  const child: ChildProcess = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await waitFor(() => said.includes('Forwarding from'), { timeoutMs: 20_000, what: 'kubectl port-forward' });
  return {
    port: local,
    [Symbol.asyncDispose]: async () => {
      child.kill();
    },
  };
}
