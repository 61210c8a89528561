import { mkdtemp } from 'node:fs/promises';
import path from 'node:path';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { kubectl, podsOf, rolledOut, run, SCRATCH, SERVICES, somePod, succeed, namespaceOf } from './kubectl.js';
import { Chat, Cli } from './people.js';
import { follow, timeless, transcript, type Step } from './transcript.js';

let chat: Chat | undefined;

beforeAll(async () => {
  const manifests = await succeed('kubectl', ['kustomize', 'k8s/overlays/ci']);
  // Certificates go into namespaces, which come first.
  await kubectl('apply', '--server-side', '-k', 'k8s/base/fleet');
  await succeed('tests/cluster/certificates.sh', [path.join(SCRATCH, 'certificates')]);
  await succeed('kubectl', ['apply', '--server-side', '-f', '-'], manifests);
}, 120_000);

afterEach(async ({ task }) => {
  await chat?.close();
  chat = undefined;
  if (task.result?.state === 'fail') console.log(await state());
});

/** For the reader of a failed test: the pods, and what the unhappy ones said last. */
async function state(): Promise<string> {
  const { stdout } = await run('kubectl', ['get', 'pods', '-A', '-o', 'wide']);
  const parts = [stdout];
  for (const service of SERVICES) {
    const selector = `app.kubernetes.io/name=${service}`;
    const logs = await run('kubectl', ['-n', namespaceOf(service), 'logs', '-l', selector, '--tail=40', '--prefix']);
    parts.push(
      ...logs.stdout
        .split('\n')
        .filter((line) => /"level":"(warn|error|fatal)"/.test(line))
        .slice(-8),
    );
  }
  return parts.join('\n').slice(-12_000);
}

/** Of the pods of all services, without those that are on their way out. */
async function uids(): Promise<string[]> {
  const pods = await Promise.all(SERVICES.map((service) => podsOf(service)));
  return pods.flat().map(({ uid }) => uid);
}

async function chatting(): Promise<Chat> {
  chat = await Chat.begin();
  await chat.more(20);
  return chat;
}

describe('the rollout', () => {
  it('prepares the stores', async () => {
    await kubectl('-n', 'godwit', 'wait', '--for=condition=Complete', 'job/setup', '--timeout=300s');
    const log = await kubectl('-n', 'godwit', 'logs', 'job/setup', '--tail=20');
    expect(log).toContain('the stores are ready');
  }, 320_000);

  it.each(SERVICES)(
    '%s comes up',
    async (service) => {
      await rolledOut(service, 300);
    },
    310_000,
  );

  it('prepares the stores again, which changes nothing', async () => {
    await kubectl('-n', 'godwit', 'delete', 'job', 'setup');
    await succeed(
      'kubectl',
      ['apply', '--server-side', '-f', '-'],
      await succeed('kubectl', ['kustomize', 'k8s/overlays/ci']),
    );
    await kubectl('-n', 'godwit', 'wait', '--for=condition=Complete', 'job/setup', '--timeout=120s');
    expect(await kubectl('-n', 'godwit', 'logs', 'job/setup', '--tail=20')).toContain('the replica set was there');
  });
});

describe('people outside the cluster', () => {
  const steps = transcript();
  const step = (part: string): Step => {
    const found = steps.find(({ args }) => args.join(' ').includes(part));
    if (found === undefined) throw new Error(`the README shows no ${part}`);
    return found;
  };
  const expectShown = (said: string, { shown }: Step): void => {
    const lines = said.split('\n').map(timeless);
    expect(lines).toEqual(expect.arrayContaining(shown.map(timeless).filter((line) => line !== '' && line !== '>')));
  };
  let cli: Cli;

  beforeAll(async () => {
    cli = new Cli(await mkdtemp(path.join(SCRATCH, 'home-')));
  });

  afterEach(() => {
    cli.close();
  });

  it.each(['alice', 'bob'])('%s registers as the README shows', async (name) => {
    const { args } = step(`--profile ${name} register`);
    await cli.register(args, args[args.indexOf('--phone') + 1] ?? '');
  });

  it('they chat as the README shows', async () => {
    const [withBob, withAlice] = [step('chat bob'), step('chat alice')];
    const alice = cli.startInTerminal(...withBob.args);
    await alice.until('bob is offline');
    const bob = cli.startInTerminal(...withAlice.args);
    await alice.until('bob is online');
    alice.type('landed in Auckland');
    await alice.until('bob has read #2');
    bob.type('all the way without a stop?');
    await bob.until('alice has read #3');
    bob.type('/react 2 🐦');
    await alice.until('🐦 to #2');
    alice.type('eleven days');
    await alice.until('bob has read #5');
    alice.type('/quit');
    bob.type('/quit');
    expectShown(await alice.end(), withBob);
    expectShown(await bob.end(), { ...withAlice, shown: withAlice.shown.filter((line) => !line.startsWith('> ')) });
  });

  it('everything else works as the README shows', async () => {
    const rest = steps.filter(({ args }) => !/ (register|chat)( |$)/.test(` ${args.join(' ')}`));
    expect(rest.length).toBeGreaterThan(3);
    const type = async (one: Step): Promise<void> => {
      const command = cli.start(...one.args);
      await command.end();
      expectShown(command.said(), one);
    };
    for (const one of rest) {
      // Devices ack a moment after they show; a reader of the README is not so quick.
      if (one.args.includes('receipts')) {
        await waitFor(() => type(one).then(() => true), { timeoutMs: 20_000, what: 'the receipts of the README' });
      } else await type(one);
    }
  });
});

describe('while people chat', () => {
  it.each(['edge', 'router', 'message-store', 'session', 'group', 'account'])(
    'a pod of %s is deleted, and nothing is lost',
    async (service) => {
      const running = await chatting();
      const { name, namespace } = await somePod(service);
      await kubectl('-n', namespace, 'delete', 'pod', name, '--wait=false');
      await running.more(20);
      await rolledOut(service);
      await running.more(20);
      await running.end();
    },
  );

  it('a pod of router is killed without a word, and nothing is lost', async () => {
    const running = await chatting();
    const { name, namespace } = await somePod('router');
    await kubectl('-n', namespace, 'delete', 'pod', name, '--grace-period=0', '--force');
    await running.more(20);
    await rolledOut('router');
    await running.end();
  });

  it('router is rolled to another version, and back as the runbook says, and nothing is lost', async () => {
    const running = await chatting();
    await kubectl('-n', 'godwit', 'set', 'image', 'statefulset/router', 'service=localhost/godwit/router:ci-next');
    await rolledOut('router');
    await running.more(20);
    const images = (): Promise<string> =>
      kubectl('-n', 'godwit', 'get', 'pods', '-l', 'app.kubernetes.io/name=router', '-o', 'jsonpath={..image}');
    expect(await images()).toContain('router:ci-next');
    await follow('roll-back.md');
    await rolledOut('router');
    await running.more(20);
    expect(await images()).not.toContain('router:ci-next');
    await running.end();
  });

  it('all pods are created anew as the runbook says, and nothing is lost', async () => {
    const running = await chatting();
    const before = await uids();
    await follow('recreate-pods.md');
    await running.more(20);
    await running.end();
    const after = await uids();
    expect(after).toHaveLength(before.length);
    expect(after.filter((uid) => before.includes(uid))).toEqual([]);
  }, 600_000);

  it('a drain takes one edge at a time, waits for its successor, and loses nothing', async () => {
    const running = await chatting();
    const node = (await kubectl('get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}')).trim();
    const before = (await podsOf('edge')).map(({ name }) => name);
    const selector = '--pod-selector=app.kubernetes.io/name=edge';
    const draining = run('kubectl', ['drain', node, selector, '--delete-emptydir-data', '--timeout=150s']);
    try {
      await waitFor(async () => (await podsOf('edge')).some(({ name }) => !before.includes(name)), {
        timeoutMs: 60_000,
        what: 'one edge evicted',
      });
      // There is no other node: its successor waits, and the budget holds the other edge where it is.
      await running.more(50, 60_000);
      expect((await podsOf('edge')).filter(({ name }) => before.includes(name))).toHaveLength(1);
    } finally {
      await kubectl('uncordon', node);
    }
    const { code, stderr } = await draining;
    expect(stderr).toMatch(/Cannot evict pod|PodDisruptionBudget|disruption budget/i);
    expect(code).toBe(0);
    await rolledOut('edge');
    await running.more(20);
    await running.end();
    expect((await podsOf('edge')).filter(({ name }) => before.includes(name))).toEqual([]);
  });
});
