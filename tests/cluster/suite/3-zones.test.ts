import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectl, namespaceOf, podsOf, run, SERVICES, somePod, succeed, type Pod } from './kubectl.js';

const STORES = new Map([
  ['MongoDB', { pods: 'mongo', port: 27_017 }],
  ['NATS', { pods: 'nats', port: 4_222 }],
  ['Redis', { pods: 'redis', port: 6_379 }],
]);

const WAIT_MS = 2_500;

interface Target {
  readonly name: string;
  readonly ip: string;
  readonly port: number;
}

const CONNECT = `
const targets = JSON.parse(process.argv[1]);
const open = ({ ip, port }) => new Promise((resolve) => {
  const socket = require('node:net').connect({ host: ip, port, timeout: ${String(WAIT_MS)} });
  const end = (answer) => { socket.destroy(); resolve(answer); };
  socket.on('connect', () => end(true)).on('timeout', () => end(false)).on('error', () => end(false));
});
Promise.all(targets.map(async (target) => [target.name, await open(target)])).then((all) => console.log(JSON.stringify(all)));
`;

/** Which targets a pod can open a connection to. */
async function reachable(from: Pick<Pod, 'name' | 'namespace'>, targets: readonly Target[]): Promise<string[]> {
  const command = ['node', '-e', CONNECT, JSON.stringify(targets)];
  const text = await kubectl('-n', from.namespace, 'exec', from.name, '--', ...command);
  const answers = JSON.parse(text.trim().split('\n').at(-1) ?? '[]') as [string, boolean][];
  return answers.flatMap(([name, open]) => (open ? [name] : [])).sort();
}

/** The gRPC port of every service and the port of every store. */
async function allTargets(): Promise<Target[]> {
  const services = SERVICES.map(async (name) => ({ name, ip: (await somePod(name)).ip, port: 7100 }));
  const stores = [...STORES].map(async ([name, { pods, port }]) => {
    return { name, ip: (await somePod(pods, 'godwit-data')).ip, port };
  });
  return Promise.all([...services, ...stores]);
}

interface Arrow {
  readonly from: string;
  readonly to: string;
}

const STRANGERS = 'godwit-test-strangers';
const STRANGER = { name: 'stranger', namespace: STRANGERS };

const stranger = (image: string): string => `
apiVersion: v1
kind: Namespace
metadata:
  name: ${STRANGERS}
  labels: { pod-security.kubernetes.io/enforce: restricted }
---
apiVersion: v1
kind: Pod
metadata: { name: stranger, namespace: ${STRANGERS} }
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: RuntimeDefault } }
  containers:
    - name: c
      image: ${image}
      command: [node, -e, 'setInterval(() => {}, 1e9)']
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
`;

describe('who may call whom', () => {
  let arrows: Arrow[] = [];
  let targets: Target[] = [];

  beforeAll(async () => {
    arrows = JSON.parse(await succeed('node', ['k8s/components/network-policies/generate.mjs', '--arrows'])) as Arrow[];
    targets = await allTargets();
    await succeed('kubectl', ['apply', '-f', '-'], stranger('localhost/godwit/edge:ci'));
    await kubectl('-n', STRANGERS, 'wait', '--for=condition=Ready', 'pod/stranger', '--timeout=60s');
  });

  afterAll(async () => {
    await run('kubectl', ['delete', 'namespace', STRANGERS, '--wait=false']);
  });

  it.each(SERVICES)('%s reaches what the table says and nothing else', async (service) => {
    const from = await somePod(service);
    const wanted = arrows.filter(({ from: caller }) => caller === service).map(({ to }) => to);
    // A pod always reaches itself.
    const others = targets.filter(({ ip }) => ip !== from.ip);
    expect(await reachable(from, others)).toEqual([...new Set(wanted)].sort());
  });

  it('a namespace that nobody labelled reaches the edges, and nothing behind them', async () => {
    expect(await reachable(STRANGER, targets)).toEqual([]);
    const { ip } = await somePod('edge');
    expect(
      await reachable(STRANGER, [
        { name: 'public', ip, port: 8080 },
        { name: 'metrics', ip, port: 9100 },
      ]),
    ).toEqual(['public']);
  });

  it('a namespace of API callers reaches the gRPC ports, but neither edges’ nor stores', async () => {
    await kubectl('label', 'namespace', STRANGERS, 'godwit.io/api-caller=true');
    const wanted = SERVICES.filter((service) => service !== 'edge');
    await expect.poll(() => reachable(STRANGER, targets), { timeout: 20_000 }).toEqual(wanted);
    await kubectl('label', 'namespace', STRANGERS, 'godwit.io/api-caller-');
    await expect.poll(() => reachable(STRANGER, targets), { timeout: 20_000 }).toEqual([]);
  });

  it('a namespace of monitoring reaches the metrics', async () => {
    await kubectl('label', 'namespace', STRANGERS, 'godwit.io/monitoring=true');
    const metrics = targets.filter(({ name }) => SERVICES.includes(name)).map((target) => ({ ...target, port: 9100 }));
    await expect.poll(() => reachable(STRANGER, metrics), { timeout: 20_000 }).toEqual(SERVICES);
  });
});

const container = (security: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: intruder }
spec:
  containers:
    - name: c
      image: localhost/godwit/edge:ci
      securityContext: ${security}
`;

describe('pods that ask for too much', () => {
  const DROPPED =
    'allowPrivilegeEscalation: false, capabilities: { drop: [ALL] }, seccompProfile: { type: RuntimeDefault }';
  const CASES = [
    ['privileged', '{ privileged: true }'],
    ['as root', `{ runAsUser: 0, ${DROPPED} }`],
    [
      'with capabilities',
      `{ runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: { add: [NET_ADMIN] } }`,
    ],
  ] as const;

  it.each(
    CASES.flatMap((one) => ['godwit', 'godwit-edge', 'godwit-data'].map((namespace) => [...one, namespace] as const)),
  )('%s (%s) are refused in %s', async (_what, security, namespace) => {
    const { code, stderr } = await run('kubectl', ['-n', namespace, 'apply', '-f', '-'], container(security));
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/violates PodSecurity "restricted/);
  });

  it.each(SERVICES)('%s runs as nobody, on a read-only root, without a token', async (service) => {
    const { name } = await somePod(service);
    const script = `
      const fs = require('node:fs');
      let wrote = true;
      try { fs.writeFileSync('/app/x', ''); } catch { wrote = false; }
      console.log(JSON.stringify([process.getuid(), wrote, fs.existsSync('/var/run/secrets/kubernetes.io')]));`;
    const text = await kubectl('-n', namespaceOf(service), 'exec', name, '--', 'node', '-e', script);
    expect(JSON.parse(text)).toEqual([65_532, false, false]);
    expect((await podsOf(service)).length).toBeGreaterThan(0);
  });
});
